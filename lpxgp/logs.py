"""Logging: one JSON line per event, without secrets."""


def configure(level: str) -> None:
    """Set up logging for the whole process."""
