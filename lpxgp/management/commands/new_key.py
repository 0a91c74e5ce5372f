"""``manage.py new_key``: makes a key for TOKEN_ENCRYPTION_KEY."""

import base64
import secrets
from typing import Any

from django.core.management.base import BaseCommand


class Command(BaseCommand):
    help = "Prints a new key for TOKEN_ENCRYPTION_KEY. Needs no settings and changes nothing."
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(base64.urlsafe_b64encode(secrets.token_bytes(32)).decode())
        self.stderr.write(
            "This is a new key for TOKEN_ENCRYPTION_KEY. Keep it with your other secrets, apart from the database\n"
            "and its backups: without it every account must be linked again. To replace a key, put the new one first\n"
            "and leave the old one behind it (TOKEN_ENCRYPTION_KEY=new,old), restart, run manage.py\n"
            "rotate_token_keys, and take the old one out when that command counts nothing under it.",
            style_func=lambda text: text,
        )
