"""What the schedules call."""

from webhooks import settling, sweeping


def sweep() -> int:
    """Each minute: give back what was claimed too long ago, and end failures whose change is here after all.

    The drain loop does the former too; twice does no harm.
    """
    return sweeping.free_expired() + settling.resolve_brought()


def purge() -> int:
    """Each day: forget bodies, headers and attempts that are old."""
    return sweeping.forget_old()
