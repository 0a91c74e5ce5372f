"""manage.py reset_second_factor: let somebody back in who lost the authenticator and the recovery codes."""

from argparse import ArgumentParser
from typing import Any

from allauth.mfa.models import Authenticator
from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.models import Session
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from relationships.models import User


class Command(BaseCommand):
    help = "Remove a user's second factor and recovery codes, and end all of the user's sessions. Make sure who asks."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("email", help="address the user signs in with")

    def handle(self, *args: Any, **options: Any) -> None:
        user = User.objects.filter(email=options["email"].strip().lower()).first()
        if user is None:
            raise CommandError(f"Nobody signs in as {options['email']}.")
        with transaction.atomic():
            removed = Authenticator.objects.filter(user=user).delete()[0]
            # allauth's list of sessions may lack some; the sessions themselves say whose they are.
            for session in Session.objects.iterator():
                if session.get_decoded().get(SESSION_KEY) == str(user.pk):
                    session.delete()
        self.stdout.write(f"{user.email}: {removed} second factor(s) removed, all sessions ended.")
