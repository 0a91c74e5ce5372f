"""What every authorization request has: who asks, for what, and where the answer goes.

https://www.rfc-editor.org/rfc/rfc6749#section-4.1.1 and, for the challenge, https://www.rfc-editor.org/rfc/rfc7636
"""

import re
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from werkzeug.datastructures import MultiDict
from werkzeug.utils import redirect
from werkzeug.wrappers import Response

CHALLENGE = re.compile(r"^[A-Za-z0-9_-]{43}$")
ORIGIN = re.compile(r"^https?://[A-Za-z0-9.\-\[\]:_]+$")


@dataclass(frozen=True)
class Asked:
    """The parameters all providers share."""

    client_id: str
    redirect_uri: str
    state: str
    nonce: str
    challenge: str
    login_hint: str

    def back(self, **parameters: str) -> Response:
        """Redirect to the client, its own query kept, ``state`` passed through."""
        parts = urlsplit(self.redirect_uri)
        pairs = parse_qsl(parts.query, keep_blank_values=True)
        pairs += [("state", self.state)] if self.state else []
        return redirect(urlunsplit(parts._replace(query=urlencode([*pairs, *parameters.items()]))), 302)

    @property
    def form_targets(self) -> str:
        """For a page's policy: its form may be answered with a redirect to the client."""
        return f"'self' {origin_of(self.redirect_uri)}"


def basics(args: MultiDict[str, str]) -> dict[str, str]:
    """The fields of ``Asked`` from a request's parameters; absent ones are empty."""
    names = ("client_id", "redirect_uri", "state", "nonce", "login_hint")
    return {"challenge": args.get("code_challenge", "")} | {name: args.get(name, "") for name in names}


def missing(args: MultiDict[str, str], *names: str) -> str:
    """The first of the parameters that is absent or empty; empty if none is."""
    return next((name for name in names if not args.get(name)), "")


def is_address(text: str) -> bool:
    """Whether a redirect address can be one: http or https, a host, no fragment."""
    return bool(ORIGIN.match(origin_of(text))) and "#" not in text


def is_challenge(args: MultiDict[str, str]) -> bool:
    """Whether the PKCE challenge is well made, or absent."""
    challenge = args.get("code_challenge", "")
    return not challenge or (args.get("code_challenge_method") == "S256" and bool(CHALLENGE.match(challenge)))


def origin_of(address: str) -> str:
    """Scheme and host of an address; empty for one that cannot be read."""
    try:
        parts = urlsplit(address)
    except ValueError:
        return ""
    return f"{parts.scheme}://{parts.netloc}"
