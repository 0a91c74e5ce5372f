"""What the schedules call."""

from webhooks import sweeping


def sweep() -> int:
    """Each minute: give back what was claimed too long ago. The drain loop does so too; twice does no harm."""
    return sweeping.free_expired()


def purge() -> int:
    """Each day: forget bodies, headers and attempts that are old."""
    return sweeping.forget_old()
