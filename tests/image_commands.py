"""Runs what Dockerfile and compose.yaml run, without a container: collectstatic, migrate, gunicorn with its settings.

Exits non-zero, with the output of the command that failed. DATABASE_URL chooses the database; default: a fresh SQLite.
"""

import os
import re
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from base64 import urlsafe_b64encode
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent


def production(folder: Path, port: int) -> dict[str, str]:
    """An environment such as compose.yaml gives: secrets as files, DEBUG off."""
    written = {
        "SECRET_KEY": secrets.token_urlsafe(64),
        "TOKEN_ENCRYPTION_KEY": urlsafe_b64encode(secrets.token_bytes(32)).decode(),
        "DATABASE_URL": os.environ.get("DATABASE_URL", f"sqlite:///{folder / 'image.sqlite3'}"),
    }
    for name, value in written.items():
        (folder / name).write_text(value)
    inherited = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return {
        **inherited,
        **{f"{name}_FILE": str(folder / name) for name in written},
        "PUBLIC_URL": "https://hub.example.com",
        "ALLOWED_HOSTS": "hub.example.com,127.0.0.1",
        "TRUSTED_PROXY_COUNT": "1",
        "BIND": f"127.0.0.1:{port}",
    }


def run(arguments: list[str], environment: dict[str, str]) -> None:
    print("+", " ".join(arguments), flush=True)
    subprocess.run(arguments, cwd=ROOT, env=environment, check=True)


def status_of(url: str) -> int:
    """The status there, or 0 while nothing answers."""
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0


def serve(environment: dict[str, str], port: int) -> None:
    """Start gunicorn as the image does, ask it, stop it as docker does."""
    arguments = [str(BIN / "gunicorn"), *image_command()[1:]]
    print("+", " ".join(arguments), flush=True)
    server = subprocess.Popen(arguments, cwd=ROOT, env=environment)
    try:
        deadline = time.monotonic() + 60
        while (status := status_of(f"http://127.0.0.1:{port}/livez")) != 200:
            if time.monotonic() > deadline or server.poll() is not None:
                sys.exit(f"gunicorn did not answer /livez: {status}")
            time.sleep(0.1)
        ready = status_of(f"http://127.0.0.1:{port}/readyz")
        print(f"/livez answers 200, /readyz {ready} (503: no worker runs here)")
    finally:
        server.send_signal(signal.SIGTERM)
    if code := server.wait(timeout=40):
        sys.exit(f"gunicorn ended with {code}")


def image_command() -> list[str]:
    """CMD of the Dockerfile."""
    found = re.search(r"^CMD \[(.+)\]$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert found is not None
    return re.findall(r'"([^"]+)"', found[1])


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        port = free_port()
        environment = production(Path(folder), port)
        manage = [sys.executable, "manage.py"]
        run([*manage, "collectstatic", "--noinput", "--verbosity", "0"], environment)
        run([*manage, "migrate", "--noinput", "--verbosity", "0"], environment)
        run([*manage, "createcachetable"], environment)
        serve(environment, port)


if __name__ == "__main__":
    main()
