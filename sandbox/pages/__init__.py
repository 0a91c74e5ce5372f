"""The sandbox's few HTML pages: one frame, escaped values, a strict policy, no scripts."""

from html import escape
from pathlib import Path
from string import Template

from werkzeug.wrappers import Response

BANNER = "Sandbox: pretend providers for development and tests. Nothing here is real."
FRAME = Template((Path(__file__).parent / "page.html").read_text(encoding="utf-8"))
STYLE = (Path(__file__).parent.parent / "static" / "sandbox.css").read_bytes()


def page(title: str, main: str, status: int = 200, banner: str = BANNER, form_targets: str = "'self'") -> Response:
    """A page. ``main`` is HTML whose values are escaped already; ``form_targets`` is for the policy's form-action."""
    text = FRAME.substitute(title=escape(title), banner=escape(banner), main=main)
    response = Response(text, status, mimetype="text/html")
    response.headers["Content-Security-Policy"] = (
        f"default-src 'none'; style-src 'self'; form-action {form_targets}; base-uri 'none'; frame-ancestors 'none'"
    )
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Referrer-Policy"] = "same-origin"
    response.headers["Cache-Control"] = "no-store"
    return response


def style() -> Response:
    """The one style sheet."""
    response = Response(STYLE, mimetype="text/css")
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response
