"""Outlook's calendars: what Graph says about them, and how a scene is set on them."""
