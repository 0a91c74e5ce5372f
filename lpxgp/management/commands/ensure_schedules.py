"""manage.py ensure_schedules"""

from typing import Any

from django.core.management.base import BaseCommand

from lpxgp import schedules


class Command(BaseCommand):
    help = "Makes the periodic jobs in the database equal to lpxgp/schedules.py."

    def handle(self, *args: Any, **options: Any) -> None:
        done = schedules.ensure()
        self.stdout.write(", ".join(f"{done[what]} {what}" for what in ("created", "changed", "deleted", "kept")))
