"""Requests that come inside another one, as batches carry them."""

from io import BytesIO
from typing import Any

from werkzeug.wrappers import Request

LOCAL = "127.0.0.1"


def request(method: str, path: str, query: str, headers: dict[str, str], body: bytes) -> Request:
    """A request of its own, ``path`` unescaped. It comes from this machine."""
    environ: dict[str, Any] = {
        "REQUEST_METHOD": method.upper(),
        "SCRIPT_NAME": "",
        "PATH_INFO": path.encode().decode("latin-1"),
        "QUERY_STRING": query,
        "SERVER_NAME": LOCAL,
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": LOCAL,
        "wsgi.url_scheme": "http",
        "wsgi.input": BytesIO(body),
    }
    environ |= {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in headers.items()}
    environ["CONTENT_TYPE"] = environ.pop("HTTP_CONTENT_TYPE", "")
    environ.pop("HTTP_CONTENT_LENGTH", None)
    environ["CONTENT_LENGTH"] = str(len(body))
    return Request(environ)
