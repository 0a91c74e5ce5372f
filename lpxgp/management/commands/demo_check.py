"""manage.py demo_check"""

import sys
from typing import Any

from django.core.management.base import BaseCommand

from lpxgp import demo_check, demo_stage


class Command(BaseCommand):
    help = "Plays the demo without a person and prints one JSON object as its last line."
    requires_system_checks = []

    def handle(self, *args: Any, **options: Any) -> None:
        if not demo_stage.is_staged():
            demo_check.enter()
        sys.exit(demo_check.run())
