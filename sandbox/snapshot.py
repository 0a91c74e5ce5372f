"""Keep the world in a file, so that a stopped demo goes on where it was."""

import json
import logging
import os
from pathlib import Path
from threading import Thread

from sandbox.world import World

SETTLE_SECONDS = 0.5

logger = logging.getLogger("sandbox.snapshot")


class Snapshot:
    """Writes the world to a file shortly after it changed, and once more at the end."""

    def __init__(self, world: World, file: Path) -> None:
        self._world = world
        self._file = file
        self._thread = Thread(target=self._run, name="sandbox-snapshot", daemon=True)

    def start(self) -> None:
        """Read the file if there is one, then watch for changes."""
        if self._file.exists():
            self._world.load(json.loads(self._file.read_text(encoding="utf-8")))
        self._thread.start()

    def stop(self) -> None:
        """Write what is not written yet. Call it after ``world.stopping`` is set."""
        self._world.is_dirty.set()
        self._thread.join()
        self._write()

    def _run(self) -> None:
        while not self._world.stopping.is_set():
            self._world.is_dirty.wait()
            self._world.wait(SETTLE_SECONDS)
            self._world.is_dirty.clear()
            try:
                self._write()
            except OSError:
                logger.exception("the sandbox's state could not be written to %s", self._file)

    def _write(self) -> None:
        # A half-written file would lose the demo: write beside it and swap. Owner-only, it holds tokens.
        text = json.dumps(self._world.dump(), separators=(",", ":"))
        self._file.parent.mkdir(parents=True, exist_ok=True)
        beside = self._file.with_name(self._file.name + ".new")
        with open(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as out:
            out.write(text)
        beside.replace(self._file)
