"""manage.py demo"""

import sys
from typing import Any

from django.core.management.base import BaseCommand

from lpxgp import demo, demo_stage


class Command(BaseCommand):
    help = "Starts a demo firm on this machine: sandbox, web server and worker, linked and synced. Ctrl-C stops it."
    requires_system_checks = []

    def handle(self, *args: Any, **options: Any) -> None:
        if not demo_stage.is_staged():
            demo.enter()
        sys.exit(demo.run())
