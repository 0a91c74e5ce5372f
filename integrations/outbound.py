"""Every request to a provider leaves here: allow-listed hosts, https, time limits, no redirects, no proxy secrets.

Of hosts that a provider names by a pattern, as it has one per organization, somebody else may choose the name: they are
reached at public addresses alone, and at the one that was checked.

The provider is asked before each one (``is_allowed``): what could change or send something there is never sent.

PROVIDER_ORIGINS reroutes a provider's real origin to another base address just before the request is sent, in which
``{host}`` is the real host: a pattern stands for many. Stored addresses and the allow-list keep the real origins, so
what runs against a sandbox is what runs in production.
"""

import fnmatch
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

import requests
import urllib3
from django.conf import settings
from requests.adapters import HTTPAdapter

from integrations import public_addresses
from integrations.contract import Reach
from integrations.errors import Moved, Permanent, Temporary, TimedOut

CONNECT_SECONDS = 5.0
READ_SECONDS = 30.0
TOTAL_SECONDS = 60.0
MAX_BYTES = 64 * 1024 * 1024


class ProviderTransport(HTTPAdapter):
    """Sends requests to one provider's hosts and to nobody else, and only those that it allows.

    Raises Temporary where no whole answer came in time, Permanent where the request must not be sent.
    """

    def __init__(self, reach: Reach, total_seconds: float = TOTAL_SECONDS) -> None:
        super().__init__(max_retries=0)
        self.reach = reach
        self.total_seconds = total_seconds
        self._public = public_addresses.adapter()

    def close(self) -> None:
        super().close()
        self._public.close()

    def send(
        self,
        request: requests.PreparedRequest,
        stream: bool = False,
        timeout: Any = None,
        verify: bool | str = True,
        cert: Any = None,
        proxies: Mapping[str, str] | None = None,
    ) -> requests.Response:
        host = self._checked_host(request.url or "")
        if not self.reach.is_allowed(request):
            raise Permanent(f"A request that is not for reading was stopped on its way to {host}.")
        deadline = time.monotonic() + self.total_seconds
        limits = (CONNECT_SECONDS, min(READ_SECONDS, self.total_seconds))
        routed = request.copy()
        routed.url = rerouted(request.url or "")
        is_fixed = host in self.reach.hosts or routed.url != request.url
        send = super().send if is_fixed else self._public.send
        try:
            response = send(routed, stream=True, timeout=limits, verify=verify, cert=cert, proxies=proxies)
            response._content = _whole_body(response, host, deadline)
        except (requests.ReadTimeout, urllib3.exceptions.ReadTimeoutError) as error:
            raise TimedOut(f"{host} did not answer in time.") from error
        except (requests.Timeout, urllib3.exceptions.TimeoutError) as error:
            raise Temporary(f"{host} did not answer in time.") from error
        except public_addresses.NotPublic as error:
            raise Permanent(str(error)) from error
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            raise Temporary(f"The connection to {host} broke.") from error
        response.url, response.request = request.url or "", request
        if response.is_redirect:
            raise Moved(f"{host} answered with a redirect, which is never followed.")
        return response

    def _checked_host(self, url: str) -> str:
        parts = urlsplit(url)
        host = parts.hostname or ""
        if parts.scheme != "https" or parts.port not in {None, 443} or parts.username is not None:
            raise Permanent("A provider is only ever spoken to by https at its own address.")
        if not any(fnmatch.fnmatchcase(host, pattern) for pattern in self.reach.hosts):
            raise Permanent(f"{host} is not among this provider's hosts.")
        return host


def session(reach: Reach, access_token: str = "", total_seconds: float = TOTAL_SECONDS) -> requests.Session:
    """A session that goes no further than this provider lets it, authorised by ``access_token`` where one is given. One
    per thread."""
    http = requests.Session()
    adopt(http, ProviderTransport(reach, total_seconds))
    if access_token:
        http.headers["Authorization"] = f"Bearer {access_token}"
    return http


def adopt(http: requests.Session, transport: HTTPAdapter) -> None:
    """Make a session, also a library's own, use this transport for everything."""
    http.trust_env = False  # neither .netrc nor proxy variables may add or change credentials
    http.adapters.clear()
    http.mount("https://", transport)
    http.mount("http://", transport)


def rerouted(url: str) -> str:
    """The address this request really goes to, by PROVIDER_ORIGINS; the browser's redirects use it too."""
    parts = urlsplit(url)
    for key, base in settings.PROVIDER_ORIGINS.items():
        if fnmatch.fnmatchcase(f"{parts.scheme}://{parts.netloc}", key):
            here = base.replace("{host}", parts.hostname or "")
            return here + url[len(f"{parts.scheme}://{parts.netloc}") :]
    return url


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that a Retry-After header asks for, given as seconds or as an HTTP date; None where it says nothing."""
    value = headers.get("Retry-After") or headers.get("retry-after") or ""
    if value.isascii() and value.strip().isdigit():
        return min(float(value), 86400.0)
    try:
        when = parsedate_to_datetime(value).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return min(max(0.0, (when - datetime.now(UTC)).total_seconds()), 86400.0)


def _whole_body(response: requests.Response, host: str, deadline: float) -> bytes:
    """Read all of it, however slowly it drips, until the deadline. Half a body is no body."""
    chunks, size = [], 0
    while chunk := response.raw.read1(decode_content=True):
        chunks.append(chunk)
        size += len(chunk)
        if time.monotonic() > deadline:
            response.close()
            raise Temporary(f"{host} took too long to send its answer.")
        if size > MAX_BYTES:
            response.close()
            raise Permanent(f"{host} sent an answer larger than {MAX_BYTES} bytes.")
    if response.raw.length_remaining:
        response.close()
        raise Temporary(f"{host} sent half an answer.")
    response.raw.release_conn()
    return b"".join(chunks)
