"""Sign-in with Google."""
