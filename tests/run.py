"""Runs every test on SQLite and, where PostgreSQL's server is installed, once more on a temporary cluster of it.

Arguments go to pytest. REQUIRE_POSTGRES=1 makes a missing PostgreSQL a failure; SKIP_POSTGRES=1 leaves that half out.
What does not depend on the database runs once, on SQLite. Where there is PostgreSQL, three parts run side by side: the
browser and most process tests, which mostly wait, fill what the two databases leave of the processors.
"""

import contextlib
import json
import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, NamedTuple

ROOT = Path(__file__).resolve().parent.parent
ON_SQLITE = "not browser and not processes"
"""Markers of the first part where there are others."""
OUTSIDE = "browser or processes"
"""Markers of what goes on outside of the tests' own process, on SQLite too."""
ON_POSTGRES = "postgres or (database and not browser and not processes)"
"""Markers of what runs on PostgreSQL."""
NONE_CHOSEN = 5
"""Pytest's exit code where the arguments and the markers leave nothing."""


class Part(NamedTuple):
    """What came of the tests on one database: a word or a reason, and the names of those that failed."""

    result: str
    failed: list[str]


def server_binaries() -> Path | None:
    """The folder of initdb and postgres, from PATH or where Debian keeps it; None where there is none."""
    folders = [Path(found).resolve().parent for name in ("pg_ctl", "initdb") if (found := shutil.which(name))]
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((folder for folder in folders if (folder / "initdb").exists() and (folder / "postgres").exists()), None)


def as_server_user(command: list[str]) -> list[str]:
    """PostgreSQL refuses to run as root: then it runs as the user postgres."""
    return ["runuser", "-u", "postgres", "--", *command] if os.geteuid() == 0 else command


@contextlib.contextmanager
def postgres(binaries: Path, settings: str = "-c fsync=off") -> Iterator[str]:
    """A PostgreSQL cluster of its own on a unix socket; yields the DATABASE_URL and removes everything afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="lpxgp-pg-", dir="/tmp"))  # short: a socket's path has about 100 bytes
    if os.geteuid() == 0:
        account = pwd.getpwnam("postgres")
        os.chown(folder, account.pw_uid, account.pw_gid)
    data = folder / "data"
    initdb = [str(binaries / "initdb"), "-D", str(data), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync"]
    options = f"-c listen_addresses='' -c unix_socket_directories={folder} -c max_connections=100 {settings}"
    control = [str(binaries / "pg_ctl"), "-D", str(data), "-w", "-l", str(folder / "log")]
    start = [*control, "-o", options, "start"]
    try:
        subprocess.run(as_server_user(initdb), check=True, cwd=folder, stdout=subprocess.DEVNULL)
        subprocess.run(as_server_user(start), check=True, cwd=folder, stdout=subprocess.DEVNULL)
        yield f"postgres://postgres@/{folder}/postgres"
    finally:
        stop = as_server_user([*control, "-m", "immediate", "stop"])
        subprocess.run(stop, check=False, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        shutil.rmtree(folder, ignore_errors=True)


def pytest(markers: str, arguments: list[str], database_url: str, output: IO[str] | None) -> Part:
    """Run the tests with these markers, all of them without any; their output goes to ``output`` (None is our own)."""
    environment = {**os.environ, "DEBUG": "1", "DATABASE_URL": database_url}
    with tempfile.TemporaryDirectory() as cache:
        command = [sys.executable, "-m", "pytest", "-o", f"cache_dir={cache}", "-m", markers, *arguments]
        done = subprocess.run(command, cwd=ROOT, env=environment, stdout=output, stderr=subprocess.STDOUT)
        failures = Path(cache, "v", "cache", "lastfailed")
        failed = sorted(json.loads(failures.read_text())) if failures.exists() else []
    return Part({0: "passed", NONE_CHOSEN: "none of these tests"}.get(done.returncode, "FAILED"), failed)


def on_postgres(binaries: Path, arguments: list[str], output: IO[str]) -> Part:
    """Run what has to do with the database on a PostgreSQL of its own."""
    with postgres(binaries) as url:
        return pytest(ON_POSTGRES, arguments, url, output)


def every(binaries: Path | None, arguments: list[str]) -> dict[str, Part]:
    """All parts at the same time: the first one's output comes as it runs, that of the others when all have ended."""
    sqlite = f"sqlite:///{ROOT}/var/test.sqlite3"
    if binaries is None:
        missing = "NOT RUN: no PostgreSQL server here (on Debian: apt-get install postgresql)"
        return {"SQLite": pytest("", arguments, sqlite, None), "PostgreSQL": Part(missing, [])}
    with (
        ThreadPoolExecutor(2) as beside,
        tempfile.TemporaryFile("w+") as outside_output,
        tempfile.TemporaryFile("w+") as postgres_output,
    ):
        outside = beside.submit(pytest, OUTSIDE, arguments, sqlite, outside_output)
        second = beside.submit(on_postgres, binaries, arguments, postgres_output)
        print("\n=== SQLite (browser and processes, and PostgreSQL, run beside it)", flush=True)
        parts = {"SQLite": pytest(ON_SQLITE, arguments, sqlite, None)}
        parts |= {"SQLite, browser and processes": outside.result(), "PostgreSQL": second.result()}
        for name, output in (("SQLite, browser and processes", outside_output), ("PostgreSQL", postgres_output)):
            output.seek(0)
            print(f"\n=== {name}\n{output.read()}")
    return parts


def main() -> int:
    """Run what there is to run; the last lines say what came of it and name what failed."""
    parts = every(None if os.environ.get("SKIP_POSTGRES") == "1" else server_binaries(), sys.argv[1:])
    print()
    for name, part in parts.items():
        print(f"=== Tests on {name}: {part.result}")
    for name, part in parts.items():
        for test in part.failed:
            print(f"{name}: {test}")
    results = {part.result for part in parts.values()}
    missing = parts["PostgreSQL"].result.startswith("NOT RUN") and os.environ.get("REQUIRE_POSTGRES") == "1"
    return 1 if "FAILED" in results or "passed" not in results or missing else 0


if __name__ == "__main__":
    sys.exit(main())
