"""``manage.py sandbox``: the pretend providers as a process of their own."""

import os
import signal
from argparse import ArgumentParser
from threading import Event
from types import FrameType
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from sandbox.server import Sandbox


class Command(BaseCommand):
    """Serve until SIGTERM or SIGINT. Needs no database."""

    help = "Run the sandbox: the pretend providers, for development and tests."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--port", type=int, default=9400)
        parser.add_argument("--host", default="127.0.0.1")
        parser.add_argument("--state", default=None, metavar="FILE", help="keep the world in this file")

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.DEBUG and os.environ.get("ALLOW_PROVIDER_ORIGINS") != "1":
            raise CommandError("The sandbox is for development: it needs DEBUG, or ALLOW_PROVIDER_ORIGINS=1.")
        stop = Event()

        def finish(number: int, frame: FrameType | None) -> None:
            stop.set()

        signal.signal(signal.SIGTERM, finish)
        signal.signal(signal.SIGINT, finish)
        try:
            sandbox = Sandbox(options["port"], options["host"], options["state"])
        except OSError as error:
            raise CommandError(f"Cannot listen on port {options['port']}: {error.strerror}.") from error
        with sandbox:
            self.stdout.write(f"Sandbox on {sandbox.url}")
            self.stdout.flush()
            stop.wait()
