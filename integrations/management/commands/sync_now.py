"""manage.py sync_now: ask for a sync, of everything or of one account."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from integrations import providers, sync_states
from integrations.models import SyncRun, SyncState


class Command(BaseCommand):
    help = "Queue a sync of every calendar, mailbox and CRM, or of those that the options name. The worker runs them."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--provider", choices=providers.slugs())
        parser.add_argument("--account", help="address of one linked account")
        parser.add_argument("--company", help="name of one company")

    def handle(self, *args: Any, **options: Any) -> None:
        filters = {
            "integration__provider": options["provider"],
            "integration__account_address": options["account"],
            "company__name": options["company"],
        }
        rows = SyncState.unscoped.filter(is_chosen=True, **{name: value for name, value in filters.items() if value})
        ids = list(rows.values_list("pk", flat=True))
        if not ids:
            raise CommandError("Nothing that is linked and chosen fits.")
        sync_states.poke(ids, trigger=SyncRun.Trigger.MANUAL)
        self.stdout.write(f"Asked for {len(ids)} sync{'' if len(ids) == 1 else 's'}; manage.py worker runs them.")
