"""Runs every test on SQLite and, where PostgreSQL's server is installed, once more on a temporary cluster of it.

Arguments go to pytest. REQUIRE_POSTGRES=1 makes a missing PostgreSQL a failure; SKIP_POSTGRES=1 leaves that half out.
The browser and most process tests do not depend on the database: they run on SQLite alone.
"""

import contextlib
import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO

ROOT = Path(__file__).resolve().parent.parent
ON_POSTGRES = "not browser and (not processes or postgres)"
"""Markers of the second half: everything but what looks the same on every database."""


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


def pytest(arguments: list[str], database_url: str, output: IO[str] | None) -> str:
    """Run pytest into ``output`` (None is our own); says whether it passed."""
    command = [sys.executable, "-m", "pytest", *arguments]
    environment = {**os.environ, "DEBUG": "1", "DATABASE_URL": database_url}
    done = subprocess.run(command, cwd=ROOT, env=environment, stdout=output, stderr=subprocess.STDOUT)
    return "passed" if done.returncode == 0 else "FAILED"


def on_postgres(arguments: list[str], output: IO[str]) -> str:
    """Run the second half; returns passed, FAILED or the reason why it did not run."""
    binaries = None if os.environ.get("SKIP_POSTGRES") == "1" else server_binaries()
    if binaries is None:
        return "NOT RUN: no PostgreSQL server here (on Debian: apt-get install postgresql)"
    with postgres(binaries) as url:
        # Both halves would write their lists of failures into one cache.
        return pytest(["-p", "no:cacheprovider", "-m", ON_POSTGRES, *arguments], url, output)


def main() -> int:
    """Both halves at the same time: SQLite's output comes as it runs, PostgreSQL's when it has ended."""
    arguments = sys.argv[1:]
    with ThreadPoolExecutor(1) as beside, tempfile.TemporaryFile("w+") as output:
        second_half = beside.submit(on_postgres, arguments, output)
        print("\n=== SQLite (PostgreSQL runs beside it)", flush=True)
        sqlite = pytest(arguments, f"sqlite:///{ROOT}/var/test.sqlite3", None)
        second = second_half.result()
        output.seek(0)
        print(f"\n=== PostgreSQL\n{output.read()}")
    print(f"\n=== Tests on SQLite: {sqlite}\n=== Tests on PostgreSQL: {second}")
    missing = second.startswith("NOT RUN") and os.environ.get("REQUIRE_POSTGRES") == "1"
    return 1 if "FAILED" in {sqlite, second} or missing else 0


if __name__ == "__main__":
    sys.exit(main())
