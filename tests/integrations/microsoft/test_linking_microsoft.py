"""Linking Outlook through the pages: every way a consent can end, and what an administrator has to do with it."""
