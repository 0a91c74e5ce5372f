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
from pathlib import Path

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


def pytest(title: str, arguments: list[str], **environment: str) -> bool:
    """Run pytest; True when it passed."""
    print(f"\n=== {title}", flush=True)
    command = [sys.executable, "-m", "pytest", *arguments]
    return subprocess.run(command, cwd=ROOT, env={**os.environ, "DEBUG": "1", **environment}).returncode == 0


def on_postgres(arguments: list[str]) -> str:
    """Run the second half; returns passed, FAILED or the reason why it did not run."""
    binaries = None if os.environ.get("SKIP_POSTGRES") == "1" else server_binaries()
    if binaries is None:
        return "NOT RUN: no PostgreSQL server here (on Debian: apt-get install postgresql)"
    with postgres(binaries) as url:
        passed = pytest(f"PostgreSQL ({binaries})", ["-m", ON_POSTGRES, *arguments], DATABASE_URL=url)
    return "passed" if passed else "FAILED"


def main() -> int:
    arguments = sys.argv[1:]
    sqlite = "passed" if pytest("SQLite", arguments, DATABASE_URL=f"sqlite:///{ROOT}/var/test.sqlite3") else "FAILED"
    second = on_postgres(arguments)
    print(f"\n=== Tests on SQLite: {sqlite}\n=== Tests on PostgreSQL: {second}")
    missing = second.startswith("NOT RUN") and os.environ.get("REQUIRE_POSTGRES") == "1"
    return 1 if "FAILED" in {sqlite, second} or missing else 0


if __name__ == "__main__":
    sys.exit(main())
