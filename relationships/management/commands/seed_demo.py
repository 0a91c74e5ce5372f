import os
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from relationships import demo

DEFAULT_PASSWORD = "northlight-demo-2026"  # noqa: S105 known to everybody: the command refuses production


class Command(BaseCommand):
    help = "Fill a demo company with colleagues, LPs, contacts and history. Running it again changes nothing."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--seed", type=int, default=2026, help="Another number makes another company of that name.")
        parser.add_argument("--company", default=demo.COMPANY, help="The company's name (%(default)s).")
        parser.add_argument("--small", action="store_true", help="15 firms and 40 people instead of 60 and 200.")

    def handle(self, *args: Any, seed: int, company: str, small: bool, **options: Any) -> None:
        if not (settings.DEBUG or settings.ALLOW_PROVIDER_ORIGINS):
            raise CommandError(
                "The demo's log-ins are known to everybody: it is made only with DEBUG=1 or ALLOW_PROVIDER_ORIGINS=1."
            )
        if not company.strip() or not demo.domain_of(company).removesuffix(".example"):
            raise CommandError("--company needs a name that begins with a letter or a digit from a to z, 0 to 9.")
        size = demo.SMALL if small else demo.LARGE
        try:
            demo.seed(company, seed, os.environ.get("DEMO_PASSWORD") or DEFAULT_PASSWORD, timezone.now(), size)
        except demo.CannotSeed as error:
            raise CommandError(str(error)) from error
        self.stdout.write(
            f"{company} is ready. Sign in as {size.colleagues[0][1]}@{demo.domain_of(company)}, or as staff with "
            f"{demo.STAFF_EMAIL}; the password is DEMO_PASSWORD's, or {DEFAULT_PASSWORD} where that is not set."
        )
