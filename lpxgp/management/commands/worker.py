"""manage.py worker"""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from lpxgp import cluster, worker


class Command(BaseCommand):
    help = "Runs everything that happens in the background: jobs, their schedules, and the inbox. Start one."
    requires_system_checks = []  # the web server's matter; a restart must be quick

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--only-cluster", action="store_true", help="The job queue alone, unwatched. The worker starts itself so."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["only_cluster"]:
            cluster.run()
        else:
            worker.Worker().run()
