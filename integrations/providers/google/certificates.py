"""Google's certificates, which prove what it signed: kept as long as it says, asked for again for an unknown key."""

import re
import threading
from collections.abc import Mapping
from time import monotonic

import structlog

from integrations import outbound
from integrations.contract import Reach
from integrations.errors import IntegrationError

URL = "https://www.googleapis.com/oauth2/v1/certs"
SECONDS = 5.0
"""A request of Pub/Sub waits meanwhile, with a thread of the web server."""

UNKNOWN_KEY_EVERY = 60.0
"""Anybody can name an unknown key: that costs Google one request a minute, not one each."""

SHORTEST, LONGEST = 60.0, 86400.0

log = structlog.get_logger()


class Certificates:
    """One process's copy, by key id. Threads may share it; one of them asks, the others wait for its answer."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: Mapping[str, str] = {}
        self._good_until = 0.0
        self._tried_at = -UNKNOWN_KEY_EVERY

    def having(self, key_id: str, reach: Reach) -> Mapping[str, str]:
        """The certificates, asked for again where they are out of date or hold no such key; old ones where Google does
        not answer."""
        if not self._is_wanting(key_id):
            return self._known  # what is signed by a known key never waits while another thread asks for an unknown one
        with self._lock:
            now = monotonic()
            if self._is_wanting(key_id) and now - self._tried_at >= UNKNOWN_KEY_EVERY:
                self._tried_at = now
                self._fetch(now, reach)
            return self._known

    def _is_wanting(self, key_id: str) -> bool:
        return monotonic() >= self._good_until or key_id not in self._known

    def _fetch(self, now: float, reach: Reach) -> None:
        try:
            with outbound.session(reach, total_seconds=SECONDS) as http:
                answer = http.get(URL)
            found = answer.json() if answer.status_code == 200 else None
        except (IntegrationError, ValueError) as error:
            log.warning("certificates.not_fetched", why=str(error))
            return
        if not isinstance(found, dict) or not found:
            log.warning("certificates.not_fetched", why=f"HTTP {answer.status_code}")
            return
        self._known = {str(key): str(certificate) for key, certificate in found.items()}
        age = re.search(r"max-age=(\d{1,9})", answer.headers.get("Cache-Control", ""))
        self._good_until = now + min(max(float(age[1]) if age else 3600.0, SHORTEST), LONGEST)


certificates = Certificates()
