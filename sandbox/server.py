"""The sandbox as a server: in a thread of a test, or as the process behind ``manage.py sandbox``."""

import logging
import socket
from pathlib import Path
from threading import Thread
from types import TracebackType
from typing import Any, Self

from waitress import create_server, wasyncore

from sandbox.app import Application
from sandbox.providers import find_providers
from sandbox.snapshot import Snapshot
from sandbox.world import World

WAKE_SECONDS = 1.0
THREADS = 16

# A half page is sent on purpose; waitress warns of each.
logging.getLogger("waitress").setLevel(logging.ERROR)


class Sandbox:
    """Pretend providers on ``url``. ``port`` 0 takes any free one; ``state_file`` keeps the world across runs."""

    def __init__(self, port: int = 0, host: str = "127.0.0.1", state_file: str | Path | None = None) -> None:
        self.world = World()
        providers = find_providers()
        for provider in providers:
            self.world.states[provider.slug] = provider.new_state(self.world)
        self._snapshot = Snapshot(self.world, Path(state_file)) if state_file else None
        self._sockets: dict[int, Any] = {}
        listener = socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
        self._server = create_server(
            Application(self.world, providers), map=self._sockets, sockets=[listener], threads=THREADS, ident="sandbox"
        )
        shown_host = f"[{host}]" if ":" in host else host
        self.url = f"http://{shown_host}:{listener.getsockname()[1]}"
        self._thread = Thread(target=self._serve, name="sandbox", daemon=True)

    def start(self) -> Self:
        """Load the saved world, then answer in a background thread."""
        if self._snapshot:
            self._snapshot.start()
        self._thread.start()
        return self

    def stop(self) -> None:
        """Close every connection, end every thread, write the state; twice without harm."""
        self.world.stopping.set()
        if self._sockets:  # what is closed leaves them
            self._server.pull_trigger()
            self._thread.join()
            self._close()
        for state in self.world.states.values():
            state.stop()
        if self._snapshot:
            self._snapshot.stop()

    def _serve(self) -> None:
        while not self.world.stopping.is_set():
            wasyncore.loop(timeout=WAKE_SECONDS, use_poll=True, map=self._sockets, count=1)

    def _close(self) -> None:
        """After the loop has ended: what wakes it is closed too, and its number may be somebody else's then."""
        self._server.task_dispatcher.shutdown()
        for channel in list(self._sockets.values()):
            channel.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
