"""Pretend Gmail: mailboxes, the Gmail API over them, and the notices that Pub/Sub sends.

gmail.googleapis.com → /google-gmail.
"""
