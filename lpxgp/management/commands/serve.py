"""manage.py serve"""

import os
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from lpxgp import serve


class Command(BaseCommand):
    help = "Serves the pages and the webhooks with the embedded server. HOST and PORT set its address."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--host", default=os.environ.get("HOST", "127.0.0.1"))
        parser.add_argument("--port", type=int, default=int(os.environ.get("PORT", "8000")))

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(f"Serving on http://{options['host']}:{options['port']}")
        serve.run(options["host"], options["port"])
