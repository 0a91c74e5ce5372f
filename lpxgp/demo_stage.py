"""Where the demo plays: a folder, two ports, and the sandbox, web and worker processes over one database.

A staged process is manage.py started anew with the demo's environment, so that settings are read from it as ever.
"""

import contextlib
import json
import os
import re
import socket
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any, TypeVar

import requests

from lpxgp.processes import ROOT, Group

T = TypeVar("T")

FOLDER, SANDBOX = "LPXGP_STAGE", "LPXGP_SANDBOX"
ORIGINS = {
    "https://accounts.google.com": "google-accounts",
    "https://oauth2.googleapis.com": "google-oauth2",
    "https://www.googleapis.com": "google-apis",
    "https://openidconnect.googleapis.com": "google-openid",
    "https://gmail.googleapis.com": "google-gmail",
    "https://login.microsoftonline.com": "microsoft-login",
    "https://graph.microsoft.com": "microsoft-graph",
    "https://login.salesforce.com": "salesforce/login.salesforce.com",
    "https://test.salesforce.com": "salesforce/test.salesforce.com",
    "https://*.my.salesforce.com": "salesforce/{host}",
    "https://app.hubspot.com": "hubspot-app",
    "https://app-*.hubspot.com": "hubspot-app",
    "https://api.hubapi.com": "hubspot-api",
}
BAD = re.compile(r'"level": "(warning|error|critical)"|"Failed |Traceback|Error')
TOPIC = "projects/lpxgp-demo/topics/gmail"
PUSH_ACCOUNT = "push@lpxgp-demo.iam.gserviceaccount.com"
# Known to everybody, as the log-ins are.
CORE_SECRET = "whsec_ZGVtby1zZWNyZXQtb2YtdGhlLWNvcmUtb2YtbHB4Z3A="  # noqa: S105
POLL = 0.1
STOP_WITHIN = 25.0


class Stuck(Exception):
    """A step of the demo did not end as it should; the message says which and how."""


def is_staged() -> bool:
    """Whether this process has the demo's environment."""
    return FOLDER in os.environ


def enter(command: str, folder: Path, web_port: int, sandbox_port: int) -> None:
    """Become ``manage.py command`` with the demo's environment. Does not return.

    The database is a file in ``folder``, or DEMO_DATABASE_URL: never DATABASE_URL, which may be one in earnest.
    """
    folder.mkdir(parents=True, exist_ok=True)
    web, sandbox = f"http://127.0.0.1:{web_port}", f"http://127.0.0.1:{sandbox_port}"
    environment = {
        **os.environ,
        "DEBUG": "1",
        "DATABASE_URL": os.environ.get("DEMO_DATABASE_URL") or f"sqlite:///{folder / 'lpxgp.sqlite3'}",
        "PUBLIC_URL": web,
        "PROVIDER_ORIGINS": json.dumps({real: f"{sandbox}/{path}" for real, path in ORIGINS.items()}),
        "GOOGLE_CLIENT_ID": "demo.apps.googleusercontent.com",
        "GOOGLE_CLIENT_SECRET": "demo-secret",
        "GOOGLE_PUBSUB_TOPIC": TOPIC,
        "GOOGLE_PUBSUB_SERVICE_ACCOUNT": PUSH_ACCOUNT,
        "GOOGLE_SIGNIN_CLIENT_ID": "demo-sign-in.apps.googleusercontent.com",
        "GOOGLE_SIGNIN_CLIENT_SECRET": "demo-secret",
        "MICROSOFT_CLIENT_ID": "demo",
        "MICROSOFT_CLIENT_SECRET": "demo-secret",
        "MICROSOFT_SIGNIN_CLIENT_ID": "demo-sign-in",
        "MICROSOFT_SIGNIN_CLIENT_SECRET": "demo-secret",
        "SALESFORCE_CLIENT_ID": "demo",
        "SALESFORCE_CLIENT_SECRET": "demo-secret",
        "HUBSPOT_CLIENT_ID": "demo",
        "HUBSPOT_CLIENT_SECRET": "demo-secret",
        "HUBSPOT_APP_ID": "4711",
        "ENTITY_WEBHOOK_SECRET": CORE_SECRET,
        FOLDER: str(folder),
        SANDBOX: sandbox,
    }
    sys.stdout.flush()
    os.execve(sys.executable, [sys.executable, str(ROOT / "manage.py"), command], environment)  # noqa: S606


def free_port(wanted: int) -> int:
    """``wanted`` if nobody listens there, otherwise any free port; 0 asks for any."""
    for port in (wanted, 0):
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            return int(probe.getsockname()[1])
    raise Stuck("No free port was found on 127.0.0.1.")


class Stage:
    """The running processes. ``web`` and ``sandbox`` are their addresses; their output goes to files in ``logs``."""

    def __init__(self) -> None:
        self.folder = Path(os.environ[FOLDER])
        self.web = os.environ["PUBLIC_URL"]
        self.sandbox = os.environ[SANDBOX]
        self.logs = self.folder / "logs"
        self.groups: dict[str, Group] = {}

    @contextlib.contextmanager
    def open(self) -> Iterator["Stage"]:
        """Start sandbox, web and worker, wait until they answer; stop all of them afterwards."""
        self.logs.mkdir(exist_ok=True)
        try:
            port = self.sandbox.rsplit(":", 1)[1]
            self._start("sandbox", ["sandbox", "--port", port, "--state", str(self.folder / "sandbox.json")])
            self._start("web", ["serve", "--port", self.web.rsplit(":", 1)[1]])
            self._start("worker", ["worker"])
            self.wait(lambda: answers(f"{self.sandbox}/control/health"), 30, "the sandbox to answer")
            self.wait(lambda: answers(f"{self.web}/livez"), 60, "the web server to answer")
            yield self
        finally:
            self._stop()

    def wait(self, condition: Callable[[], T], seconds: float, what: str) -> T:
        """The first true answer of ``condition``. Raises Stuck after ``seconds``, or when a process ended."""
        deadline = time.monotonic() + seconds
        while not (answer := condition()):
            self.check()
            if time.monotonic() > deadline:
                raise Stuck(f"Waited {seconds:.0f} s in vain for {what}.")
            time.sleep(POLL)
        return answer

    def check(self) -> None:
        """Raises Stuck if one of the processes ended."""
        for name, group in self.groups.items():
            if group.exit_code is not None:
                raise Stuck(f"The {name} process ended with {group.exit_code}.")

    def control(self, path: str, **order: Any) -> Any:
        """Give the sandbox an order; its answer. Raises Stuck when it refuses."""
        answer = local().post(f"{self.sandbox}/control/{path}", json=order, timeout=30)
        if answer.status_code != 200:
            raise Stuck(f"The sandbox refused {path}: {answer.text}")
        return answer.json()

    def log_tails(self, lines: int = 10) -> str:
        """What every log has of errors, and its last lines, for whoever has to find out what went wrong."""
        tails = []
        for path in sorted(self.logs.glob("*.log")):
            written = path.read_text(errors="replace").splitlines()
            bad = [line for line in written[:-lines] if BAD.search(line)][-lines:]
            tails += [f"--- {path}", *(line[:1500] for line in bad + written[-lines:])]
        return "\n".join(tails)

    def _start(self, name: str, arguments: list[str]) -> None:
        output: IO[bytes]
        with (self.logs / f"{name}.log").open("wb") as output:
            self.groups[name] = Group(arguments, output=output)

    def _stop(self) -> None:
        for group in self.groups.values():
            group.ask_to_stop()
        deadline = time.monotonic() + STOP_WITHIN
        while time.monotonic() < deadline and any(group.exit_code is None for group in self.groups.values()):
            time.sleep(POLL)
        for group in self.groups.values():
            group.kill()


def local() -> requests.Session:
    """A session that asks no proxy."""
    http = requests.Session()
    http.trust_env = False
    return http


def answers(url: str) -> bool:
    """Whether something answers 200 there."""
    try:
        return local().get(url, timeout=5).status_code == 200
    except requests.RequestException:
        return False
