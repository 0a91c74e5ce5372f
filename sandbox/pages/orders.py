"""Which forms may change something: those of the sandbox's own pages, on this machine."""

from werkzeug.wrappers import Request, Response

from sandbox import pages
from sandbox.control import is_local
from sandbox.pages import asking


def is_own(request: Request) -> bool:
    """Whether a form comes from one of our pages on this machine: a foreign page must not post here."""
    origin = asking.origin_of(request.headers.get("Origin", ""))
    return is_local(request) and origin.partition("://")[2] == request.host


def refused() -> Response:
    """The answer to any other."""
    main = "<h1>Refused</h1><p>This is ordered from the sandbox's own pages, and from this machine only.</p>"
    return pages.page("Refused", main, 403)
