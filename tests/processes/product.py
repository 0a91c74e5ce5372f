"""The whole product as an operator runs it: sandbox, web and worker, each a process that a test may kill."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
import requests

from lpxgp.demo_browser import Browser, form_to, form_with
from lpxgp.demo_stage import ORIGINS, answers, free_port, local
from lpxgp.processes import is_alive
from tests.processes.conftest import ROOT, until

STARTED_WITHIN = 90
PASSWORD = "a-long-password"
Json = dict[str, Any]


def end(main: psutil.Popen) -> None:
    """SIGKILL to the process and everything below it, at the same moment, as a lost machine would."""
    everything = [main, *main.children(recursive=True)] if is_alive(main) else [main]
    for process in everything:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    main.wait()
    until(lambda: not any(map(is_alive, everything)), 10, f"the end of process {main.pid}")


class Product:
    """Three processes over one database. ``web`` and ``sandbox`` are their addresses; output goes to ``logs``."""

    def __init__(self, database_url: str, logs: Path) -> None:
        self.logs = logs
        self.web, self.sandbox = (f"http://127.0.0.1:{free_port(0)}" for _ in range(2))
        self._environment = {
            **os.environ,
            "DEBUG": "1",
            "DATABASE_URL": database_url,
            "PUBLIC_URL": self.web,
            "PROVIDER_ORIGINS": json.dumps({real: f"{self.sandbox}/{path}" for real, path in ORIGINS.items()}),
            "GOOGLE_CLIENT_ID": "client-1",
            "GOOGLE_CLIENT_SECRET": "secret-1",
        }
        self._commands = {
            "sandbox": ["sandbox", "--port", self.sandbox.rsplit(":", 1)[1]],
            "web": ["serve", "--port", self.web.rsplit(":", 1)[1]],
            "worker": ["worker"],
        }
        self._running: dict[str, psutil.Popen] = {}
        self._http = local()

    @contextmanager
    def open(self) -> Iterator["Product"]:
        """Start all three and wait until they answer; leave nothing behind."""
        try:
            for name in self._commands:
                self.start(name)
            until(lambda: answers(f"{self.sandbox}/control/health"), STARTED_WITHIN, "the sandbox's start")
            until(lambda: answers(f"{self.web}/livez"), STARTED_WITHIN, "the web server's start")
            yield self
        finally:
            self._http.close()
            for name in self._running:
                self.kill(name)

    def start(self, name: str) -> None:
        """Start ``sandbox``, ``web`` or ``worker``, as whatever supervises it on a server would."""
        with (self.logs / f"{name}.log").open("ab") as output:
            self._running[name] = psutil.Popen(
                [sys.executable, "manage.py", *self._commands[name]],
                cwd=ROOT,
                env=self._environment,
                stdout=output,
                stderr=output,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )

    def kill(self, name: str) -> None:
        """End ``sandbox``, ``web`` or ``worker`` without a warning."""
        end(self._running[name])

    def processes(self) -> dict[str, int]:
        """The process ids of those that still run."""
        return {name: process.pid for name, process in self._running.items() if is_alive(process)}

    def control(self, path: str, **order: Any) -> Json:
        """Give the sandbox an order; its answer."""
        return self._answer(self._http.post(f"{self.sandbox}/control/{path}", json=order, timeout=30))

    def ask(self, path: str, **parameters: str) -> Json:
        """What the sandbox says about itself."""
        return self._answer(self._http.get(f"{self.sandbox}/control/{path}", params=parameters, timeout=30))

    def link(self, email: str) -> None:
        """From the log-in page over the consent page and back, as a person would."""
        browser = Browser()
        browser.sign_in(self.web, email, PASSWORD)
        start = browser.get(f"{self.web}/oauth/start/google/calendar")
        consent = browser.submit(start, form_to(start, ""))
        back = browser.submit(consent, form_with(consent, "decision", "allow"), account=email, decision="allow")
        assert back.status == 200, back.text
        assert "/settings/integrations" in back.url, back.text

    def tails(self) -> str:
        """The ends of the logs, for whoever has to find out what went wrong."""
        return "\n".join(f"--- {path}\n{path.read_text(errors='replace')[-4000:]}" for path in self.logs.glob("*.log"))

    @staticmethod
    def _answer(answer: requests.Response) -> Json:
        assert answer.ok, answer.text
        return answer.json()
