"""``python -m lpxgp.watched <command> …``: manage.py for a child that must not outlive its parent.

A process killed with SIGKILL cannot tell its children, and django-q2's processes go on for ever without theirs. So each
process started this way, and each process it forks, looks twice a second whether its parent is still the one that
started it, and ends its whole process group when it is not.
"""

import multiprocessing
import os
import signal
import sys
import threading
import time

from django.core.management import execute_from_command_line

LOOK_EVERY = 0.5
PARENT = "LPXGP_PARENT"
"""Environment variable with the process id of the starter, who may be gone before the child's first line runs."""

_pid = os.getpid()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(LOOK_EVERY)
    os.killpg(0, signal.SIGKILL)


def _start(parent: int) -> None:
    threading.Thread(target=_watch, args=(parent,), name="parent watch", daemon=True).start()


def _after_fork() -> None:
    global _pid
    parent, _pid = _pid, os.getpid()
    _start(parent)


def leave_with_parent(parent: int) -> None:
    """End this process group as soon as ``parent`` or, after a fork, the forking process is gone.

    The process must lead a group of its own (``processes.Group`` sees to that).
    """
    os.register_at_fork(after_in_child=_after_fork)
    _start(parent)


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "lpxgp.settings")
    multiprocessing.set_start_method("fork")  # what django-q2 is written for; newer Pythons start otherwise
    leave_with_parent(int(os.environ.pop(PARENT)))
    execute_from_command_line(["manage.py", *sys.argv[1:]])
