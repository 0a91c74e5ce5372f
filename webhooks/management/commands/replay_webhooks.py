"""Replays deliveries from the command line: prints the plan, asks, and prints what was done."""

import re
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from webhooks import replay
from webhooks.models import Delivery

SPANS = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}


def since(words: str) -> datetime:
    """A moment: ``2h``, ``3d`` or ``90m`` ago, or ISO 8601 (UTC unless it says otherwise). Raises CommandError."""
    span = re.fullmatch(r"(\d{1,6})([mhd])", words)
    try:
        if span:
            return timezone.now() - int(span[1]) * SPANS[span[2]]
        moment = parse_datetime(words if "T" in words or " " in words else f"{words}T00:00:00")
    except (ValueError, OverflowError):
        moment = None
    if moment is None:
        raise CommandError(f"--since {words!r} is neither a span such as 2h or 3d nor a date such as 2026-11-23T08:00.")
    return moment if timezone.is_aware(moment) else moment.replace(tzinfo=UTC)


class Command(BaseCommand):
    """Plan first, then confirm."""

    help = "Replay webhook deliveries: those that failed, or all, of a provider, type and time."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--provider", default="", help="its slug, as in its webhook address")
        parser.add_argument("--type", default="", dest="webhook_type", help="calendar-event, for example")
        parser.add_argument("--since", default="", help="received since: 2h, 3d, or 2026-11-23T08:00 (UTC)")
        which = parser.add_mutually_exclusive_group()
        which.add_argument("--failed-only", action="store_true", help="only what was given up (the default)")
        which.add_argument("--all", action="store_true", dest="include_done", help="also what has succeeded")
        parser.add_argument("--dry-run", action="store_true", help="print the plan and do nothing")
        parser.add_argument("--yes", action="store_true", help="do not ask")
        parser.add_argument("--reason", default="manage.py replay_webhooks", help="kept with each attempt")

    def handle(self, *args: Any, **options: Any) -> None:
        deliveries = self._chosen(options)
        plan = replay.plan(deliveries, options["include_done"])
        self._print(plan)
        if options["dry_run"] or not plan.to_replay:
            self.stdout.write("Nothing was replayed.")
            return
        if not options["yes"] and not self._agrees(plan.to_replay):
            self.stdout.write("Nothing was replayed.")
            return
        result = replay.run(deliveries, None, options["reason"], options["include_done"])
        self.stdout.write(
            f"Asked again for {result.replayed}; {result.left_alone} left alone. The worker goes on from here."
        )

    def _chosen(self, options: dict[str, Any]) -> QuerySet[Delivery]:
        deliveries = Delivery.objects.all() if options["include_done"] else Delivery.objects.filter(status="failed")
        for name in ("provider", "webhook_type"):
            if options[name]:
                deliveries = deliveries.filter(**{name: options[name]})
        return deliveries.filter(received_at__gte=since(options["since"])) if options["since"] else deliveries

    def _print(self, plan: replay.Plan) -> None:
        oldest = f", the oldest of {plan.oldest_at:%Y-%m-%d %H:%M} UTC" if plan.oldest_at else ""
        self.stdout.write(f"{plan.total} deliveries match.")
        self.stdout.write(
            f"  {plan.to_replay} would be replayed ({plan.users} users, {plan.companies} companies{oldest})"
        )
        self.stdout.write(f"  {plan.already_done} are done already")
        self.stdout.write(f"  {plan.under_way} are under way or waiting")
        self.stdout.write(
            f"  {plan.disconnected} cannot be: their account is disconnected, or what they speak of not synced"
        )
        for group in plan.groups:
            self.stdout.write(
                f"    {group.count} x {group.provider} {group.webhook_type}: {group.cause or 'done before'}"
            )

    def _agrees(self, count: int) -> bool:
        if not sys.stdin.isatty():
            raise CommandError("Say --yes to replay without being asked, or --dry-run to see the plan alone.")
        return input(f"Replay {count}? [y/N] ").strip().lower() in {"y", "yes"}
