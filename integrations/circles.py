"""Notices when a provider's pages lead back to one that was read before, and would be read for ever."""


class Circle:
    """The pages of one reading, from ``page`` on, each by its name.

    It remembers one page at a time, the last whose number is a power of two (Brent's algorithm): memory stays flat, and
    a circle of n pages is noticed before it was gone round three times.
    """

    def __init__(self, page: str) -> None:
        self._known, self._passed, self._until = page, 0, 1

    def is_closed_by(self, page: str) -> bool:
        """Whether the next page is the remembered one."""
        if page == self._known:
            return True
        self._passed += 1
        if self._passed == self._until:
            self._known, self._passed, self._until = page, 0, self._until * 2
        return False
