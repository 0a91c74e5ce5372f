"""The pretend Outlook mail: mailboxes with folders, and Graph's calls that read them.

https://learn.microsoft.com/graph/api/resources/mail-api-overview
"""
