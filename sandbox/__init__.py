"""Pretend providers: one process that speaks real HTTP to the providers' real clients.

It imports nothing of the product and the product imports nothing of it. A provider is one folder or
module of this package that holds a ``PROVIDER``; adding one edits no other file.
"""
