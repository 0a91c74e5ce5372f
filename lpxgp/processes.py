"""A child process with everything it starts, as one thing to watch and to end. Knows nothing of what it runs."""

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import IO

import psutil

from lpxgp.watched import PARENT

ROOT = Path(__file__).resolve().parent.parent


class Group:
    """One manage.py command in a process group of its own, which leaves when this process does.

    ``output`` takes its standard output and error; without it they are this process's.
    """

    def __init__(
        self, arguments: list[str], environment: dict[str, str] | None = None, output: IO[bytes] | None = None
    ) -> None:
        self._main = subprocess.Popen(  # noqa: S603 the arguments are our own
            [sys.executable, "-m", "lpxgp.watched", *arguments],
            cwd=ROOT,
            env={**os.environ, **(environment or {}), PARENT: str(os.getpid())},
            stdout=output,
            stderr=output,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
        self.pid = self._main.pid
        self._root = psutil.Process(self.pid)
        self._seen: set[psutil.Process] = set()

    @property
    def exit_code(self) -> int | None:
        """Of the command itself; None while it runs, negative when a signal ended it."""
        return self._main.poll()

    def lost(self) -> list[int]:
        """Process ids of descendants that were seen before and are dead now. Also learns new descendants."""
        dead = [process.pid for process in self._seen if not is_alive(process)]
        with contextlib.suppress(psutil.NoSuchProcess):
            self._seen.update(child for child in self._root.children(recursive=True) if is_alive(child))
        return sorted(dead)

    def largest(self) -> int:
        """Resident bytes of its largest process."""
        sizes = [0]
        for process in [self._root, *self._seen]:
            with contextlib.suppress(psutil.Error):
                sizes.append(process.memory_info().rss)
        return max(sizes)

    def is_gone(self) -> bool:
        """Whether no process of it is left."""
        return self.exit_code is not None and not any(is_alive(process) for process in self._seen)

    def ask_to_stop(self) -> None:
        """SIGTERM to the command alone: it tells those below it."""
        if self.exit_code is None:
            self._main.terminate()

    def kill(self) -> None:
        """SIGKILL to every process of the group."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)


def is_alive(process: psutil.Process) -> bool:
    """Whether it runs: a dead process nobody has collected yet does not."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
