"""Sign-in with Microsoft."""
