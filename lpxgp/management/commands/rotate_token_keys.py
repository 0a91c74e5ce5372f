"""manage.py rotate_token_keys: move everything that is encrypted to the newest key."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from integrations import tokens
from integrations.models import Channel
from lpxgp import key_rotation


class Command(BaseCommand):
    help = (
        "Re-encrypt everything under the newest key of TOKEN_ENCRYPTION_KEY. Put the new key in front of the old ones, "
        "restart, run this, and remove an old key once it counts 0. May be stopped and run again."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="count only")

    def handle(self, *args: Any, **options: Any) -> None:
        newest, unreadable = tokens.current_key_id(), 0
        self.stdout.write(f"Newest key: {newest}")
        for count in key_rotation.rotate(options["dry_run"]):
            keys = ", ".join(f"{key}: {number}" for key, number in sorted(count.by_key.items())) or "nothing"
            self.stdout.write(f"{count.name}: {keys}; moved {count.moved}, unreadable {count.unreadable}")
            unreadable += count.unreadable
        signed = Channel.unscoped.filter(state__in=["opening", "live"]).exclude(token_key_id=newest).count()
        if signed:
            self.stdout.write(
                f"Live push channels whose secret is signed with an older key: {signed}. They are replaced within "
                "days; keep the old key until this count is 0, or their pushes are refused (the poll goes on)."
            )
        own_code = Channel.unscoped.filter(state__in=["opening", "live"]).exclude(signing_id="")
        if old := own_code.exclude(signing_id__startswith=f"{newest}.").count():
            self.stdout.write(
                f"Secrets of companies' own code that are made with an older key: {old}. Their admins are told so "
                "where they set instant updates up; keep the old key until this count is 0, or such pushes are refused."
            )
        if unreadable:
            raise CommandError(
                f"Rows that cannot be opened with any key given: {unreadable}. Put their key back and run again."
            )
