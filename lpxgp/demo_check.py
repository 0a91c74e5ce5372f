"""``make demo-check``: the main job once, driven from outside over HTTP, without a person.

The last line it prints is one JSON object. Every number in it is counted from the database after the run; only the
refused requests leave no row there, so ``rejected`` counts the 401 answers that brought no delivery with them.
"""

import json
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import product
from pathlib import Path

import requests
from django.db.models import Count, QuerySet
from django.utils import timezone

from integrations.calendar.models import CalendarEvent
from integrations.email.models import EmailMessage
from integrations.models import Channel, Integration, SyncRun
from lpxgp import demo, demo_stage
from lpxgp.demo_browser import form_with
from lpxgp.demo_check_crm import CrmCheck
from lpxgp.demo_stage import Stage, Stuck
from relationships import demo as seed
from relationships.models import Brief, FollowUp, Touchpoint, User
from webhooks.models import Attempt, Delivery, WebhookFailure

WEBHOOK = "/webhooks/calendar-event"
MAIL_WEBHOOK = "/webhooks/email-received/google"
SYNCED_WITHIN = 30
BRIEF_WITHIN = 90


def enter() -> None:
    """Become the staged process, with a folder and ports of its own. Does not return."""
    folder = Path(tempfile.mkdtemp(prefix="lpxgp-demo-check-"))
    demo_stage.enter("demo_check", folder, demo_stage.free_port(0), demo_stage.free_port(0))


def run() -> int:
    """Play every step and print the result; 0, or 1 with the step that failed and the tails of the logs."""
    began = time.monotonic()
    stage = Stage()
    try:
        demo.say("demo-check: preparing the database")
        demo.prepare()
        with stage.open():
            check = Check(stage)
            check.play()
        demo.say(json.dumps(check.result() | {"seconds": round(time.monotonic() - began, 1)}))
        return 0
    except (Stuck, LookupError, requests.RequestException) as error:
        demo.say(f"demo-check FAILED: {error}\n{stage.log_tails()}")
        return 1
    finally:
        shutil.rmtree(stage.folder, ignore_errors=True)


@dataclass(frozen=True)
class Planned:
    """A meeting to come, and the provider's id of the event behind it."""

    event_id: str
    meeting: Touchpoint


class Check:
    """The steps, in the order they are played, and what cannot be counted afterwards."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._company, self._anna = demo.people()
        self._priya = self._company.users.get(
            email=demo.load_world(stage, self._company, self._anna).outlook_user.email
        )
        self._crm = CrmCheck(stage)
        self._rejected = 0

    def play(self) -> None:
        """Raises Stuck, naming the step."""
        steps: tuple[Callable[[], None], ...] = (
            self.link_and_sync,
            self.link_mail,
            self.link_outlook,
            self.open_channels,
            self.follow_changes,
            self.reject_forgeries,
            self.fail_for_good,
            self.replay,
            self.lose_the_cursor,
            self.follow_mail,
            self.lose_mail_history,
            self.follow_outlook,
            self.lose_outlooks_cursors,
            *self._crm.steps(),
            self.make_a_brief,
        )
        for step in steps:
            name = step.__name__.replace("_", " ")
            began = time.monotonic()
            try:
                step()
            except (Stuck, LookupError, requests.RequestException) as error:
                raise Stuck(f"{name}: {error}") from error
            demo.say(f"demo-check: {name} ({time.monotonic() - began:.1f} s)")

    def link_and_sync(self) -> None:
        """Sign in, consent, and see the meetings of the first sync."""
        self._link(self._anna, demo.GOOGLE, "calendar")
        if not self._meetings().exists():
            raise Stuck("The first sync found no meeting.")

    def link_mail(self) -> None:
        """The mailbox is a grant of its own; see the plan, begin, see who wrote to whom and who owes an answer."""
        self._link(self._anna, demo.GOOGLE, "email")
        if not self._mails().exists() or not self._owed().exists():
            raise Stuck("The first sync found no mail, or nobody who owes an answer.")

    def link_outlook(self) -> None:
        """A colleague uses Outlook: two more grants. What she and Anna both have is one meeting."""
        for kind in demo.KINDS:
            self._link(self._priya, demo.OUTLOOK, kind)
        if not self._meetings().filter(users=self._anna).filter(users=self._priya).exists():
            raise Stuck("No meeting is both Anna's and Priya's.")
        same = self._meetings().values("title", "occurred_at").annotate(number=Count("pk")).filter(number__gt=1)
        if same.exists():
            raise Stuck(f"A meeting stands there twice: {same[0]['title']}.")

    def open_channels(self) -> None:
        """Pushes come, once the provider has promised them and we have taken its first messages."""
        live = Channel.unscoped.filter(state=Channel.State.LIVE)
        for user, kind in product((self._anna, self._priya), demo.KINDS):
            mine = live.filter(integration__user=user, integration__integration_type=kind)
            self._stage.wait(mine.exists, SYNCED_WITHIN, f"a live push channel of the {kind} of {user}")
        for webhook_type in ("calendar-event", "email-received"):
            first = Delivery.objects.filter(webhook_type=webhook_type)
            self._stage.wait(first.exists, SYNCED_WITHIN, f"the first {webhook_type}")

    def follow_changes(self) -> None:
        """A new, a moved and a cancelled meeting arrive by push."""
        moved, cancelled = self._coming()[:2]
        start = (moved.meeting.occurred_at + timedelta(days=1)).replace(microsecond=0)
        guests = [{"email": guest["email"]} for guest in moved.meeting.guests]
        self._put({"id": "democheck0new", "summary": "A new meeting", "attendees": guests, **span(start)})
        self._put({"id": moved.event_id, **span(start)})
        self._stage.control("google/events/cancel", calendar=self._anna.email, ids=[cancelled.event_id])

        def has_arrived() -> bool:
            return (
                self._meetings().filter(title="A new meeting", occurred_at=start).exists()
                and self._meetings().filter(pk=moved.meeting.pk, occurred_at=start).exists()
                and Touchpoint.unscoped.filter(pk=cancelled.meeting.pk, cancelled_at__isnull=False).exists()
            )

        self._stage.wait(has_arrived, SYNCED_WITHIN, "the new, the moved and the cancelled meeting")
        self._stage.wait(self._inbox_is_settled, SYNCED_WITHIN, "the deliveries to be done")

    def reject_forgeries(self) -> None:
        """Who does not know the channel's secret gets 401 and leaves no delivery behind."""
        channel = Channel.unscoped.filter(
            integration__user=self._anna, integration__integration_type="calendar", state=Channel.State.LIVE
        ).latest("created_at")
        self._stage.wait(self._inbox_is_settled, SYNCED_WITHIN, "the deliveries to be done")
        before = Delivery.objects.count()
        for token in ("forged", ""):
            headers = {
                "X-Goog-Channel-ID": channel.channel_id,
                "X-Goog-Resource-ID": channel.resource_id,
                "X-Goog-Resource-State": "exists",
                "X-Goog-Message-Number": "999",
                "X-Goog-Channel-Token": token,
            }
            answer = demo_stage.local().post(f"{self._stage.web}{WEBHOOK}", headers=headers, timeout=10)
            self._refused(answer)
        unsigned = {"message": {"data": "e30=", "messageId": "1"}, "subscription": "projects/x/subscriptions/x"}
        for authorization in ("", "Bearer forged"):
            headers = {"Authorization": authorization}
            self._refused(
                demo_stage.local().post(f"{self._stage.web}{MAIL_WEBHOOK}", json=unsigned, headers=headers, timeout=10)
            )
        forged = {"value": [{"subscriptionId": "x", "clientState": "forged", "changeType": "updated", "resource": "x"}]}
        for webhook_type in ("calendar-event", "email-received"):
            self._refused(
                demo_stage.local().post(f"{self._stage.web}/webhooks/{webhook_type}", json=forged, timeout=10)
            )
        if Delivery.objects.count() != before:
            raise Stuck("A forged push was stored.")

    def _refused(self, answer: requests.Response) -> None:
        if answer.status_code != 401:
            raise Stuck(f"A forged push was answered {answer.status_code}.")
        self._rejected += 1

    def fail_for_good(self) -> None:
        """The provider refuses the calendar: the push that announced a change ends as a failure for staff."""
        self._stage.control("faults", operation="calendar.events.list", kind="forbidden_403", times=1)
        self._put({"id": "democheck0new", "summary": "A renamed meeting"})
        failure = WebhookFailure.objects.filter(resolved=False, delivery__status=Delivery.Status.FAILED)
        self._stage.wait(failure.exists, SYNCED_WITHIN, "the delivery to fail")

    def replay(self) -> None:
        """Staff look at the plan in the admin and confirm it; the change arrives after all."""
        failure = WebhookFailure.objects.get(resolved=False)
        staff = User.objects.get(email=seed.STAFF_EMAIL)
        browser = demo.sign_in(self._stage, staff)
        listing = browser.get(f"{self._stage.web}/admin/webhooks/webhookfailure/")
        chosen = {"action": "replay_selected", "_selected_action": str(failure.pk), "index": "0"}
        plan = browser.submit(listing, form_with(listing, "action"), **chosen)
        result = browser.submit(plan, form_with(plan, "confirmed"), reason="The calendar can be read again.")
        if result.status != 200 or "Asked again for" not in result.text:
            raise Stuck(f"The replay was answered {result.status}.")
        renamed = self._meetings().filter(title="A renamed meeting")
        self._stage.wait(renamed.exists, SYNCED_WITHIN, "the change of the failed delivery")
        resolved = WebhookFailure.objects.filter(pk=failure.pk, resolved=True)
        self._stage.wait(resolved.exists, SYNCED_WITHIN, "the failure to be resolved")

    def lose_the_cursor(self) -> None:
        """The provider forgets where we stopped: a full round finds everything again, deletions too."""
        gone = self._coming()[-1]
        self._stage.control("google/expire_sync_tokens")
        self._stage.control("google/events/cancel", calendar=self._anna.email, ids=[gone.event_id])
        full = SyncRun.unscoped.filter(
            state__integration__user=self._anna, kind=SyncRun.Kind.FULL, outcome=SyncRun.Outcome.DONE
        )
        self._stage.wait(full.exists, SYNCED_WITHIN, "a full round")
        cancelled = Touchpoint.unscoped.filter(pk=gone.meeting.pk, cancelled_at__isnull=False)
        self._stage.wait(cancelled.exists, SYNCED_WITHIN, "the deletion to be found")
        self._stage.wait(self._inbox_is_settled, SYNCED_WITHIN, "the deliveries to be done")

    def follow_mail(self) -> None:
        """An LP answers: the mail arrives by push, and what was owed is no longer."""
        owed = self._owed().filter(side=FollowUp.Side.THEIRS, user=self._anna).select_related("touchpoint")
        waiting = owed.latest("since_at")
        copy = EmailMessage.unscoped.filter(unique_key=waiting.touchpoint.unique_key, is_sent=True).latest("sent_at")
        contact = waiting.touchpoint.guests[0]["email"]
        answer = {
            "from": contact,
            "to": [self._anna.email],
            "subject": f"Re: {copy.subject}",
            "message_id": "<democheck.answer@mail.demo.example>",
            "in_reply_to": f"<{copy.message_id}>",
            "references": f"<{copy.message_id}>",
        }
        self._stage.control("google/mail", account=self._anna.email, messages=[answer])
        arrived = self._mails().filter(thread_key=waiting.touchpoint.thread_key, is_outgoing=False)
        self._stage.wait(
            arrived.filter(occurred_at__gt=waiting.since_at).exists, SYNCED_WITHIN, "the answer to arrive by push"
        )
        answered = FollowUp.unscoped.filter(pk=waiting.pk, outcome=FollowUp.Outcome.ANSWERED)
        self._stage.wait(answered.exists, SYNCED_WITHIN, "the follow-up to be closed")
        self._stage.wait(self._inbox_is_settled, SYNCED_WITHIN, "the deliveries to be done")

    def lose_mail_history(self) -> None:
        """The provider forgets the mailbox's history: the gap is read again, and a mail of it found."""
        self._stage.control("google/mail/forget_history", account=self._anna.email)
        contact = self._mails().latest("occurred_at").guests[0]["email"]
        late = {"from": contact, "to": [self._anna.email], "subject": "While you were away"}
        self._stage.control("google/mail", account=self._anna.email, messages=[late])
        gap = SyncRun.unscoped.filter(
            state__integration__user=self._anna,
            state__resource_type="mailbox",
            kind=SyncRun.Kind.FULL,
            outcome=SyncRun.Outcome.DONE,
        )
        self._stage.wait(gap.exists, SYNCED_WITHIN, "the gap to be read")
        found = EmailMessage.unscoped.filter(company=self._company, subject="While you were away")
        self._stage.wait(found.exists, SYNCED_WITHIN, "the mail of the gap")
        self._stage.wait(self._inbox_is_settled, SYNCED_WITHIN, "the deliveries to be done")

    def follow_outlook(self) -> None:
        """In Outlook a meeting is made and moved, and a mail arrives: all are here within seconds, by notifications."""
        start = (timezone.now() + timedelta(days=2)).replace(microsecond=0)
        guest = {"emailAddress": {"address": self._mails().latest("occurred_at").guests[0]["email"]}}
        event = {"subject": "A meeting in Outlook", "attendees": [guest], **graph_span(start)}
        ids = self._stage.control("microsoft/events", account=self._priya.email, events=[event])["ids"]
        made = self._meetings().filter(title="A meeting in Outlook", users=self._priya)
        self._stage.wait(made.filter(occurred_at=start).exists, SYNCED_WITHIN, "the meeting made in Outlook")
        later = start + timedelta(hours=1)
        changes = {"account": self._priya.email, "id": ids[0], "changes": graph_span(later)}
        self._stage.control("microsoft/events/change", **changes)
        self._stage.wait(made.filter(occurred_at=later).exists, SYNCED_WITHIN, "the meeting that moved in Outlook")
        self._receive_in_outlook("An answer for Priya")

    def lose_outlooks_cursors(self) -> None:
        """Graph forgets where we stopped: calendar and mailbox are read again, and the mail of the gap is found."""
        self._stage.control("microsoft/cursors/expire", account=self._priya.email)
        self._stage.control("microsoft/cursors/expire_mail", account=self._priya.email)
        self._stage.control("microsoft/notify", account=self._priya.email, kind="events", ids=["x"], change="updated")
        self._receive_in_outlook("While Priya was away")
        full = SyncRun.unscoped.filter(kind=SyncRun.Kind.FULL, outcome=SyncRun.Outcome.DONE)
        for kind in demo.KINDS:
            mine = full.filter(state__integration__user=self._priya, state__integration__integration_type=kind)
            self._stage.wait(mine.exists, SYNCED_WITHIN, f"a full round of Outlook's {kind}")
        self._stage.wait(self._inbox_is_settled, SYNCED_WITHIN, "the deliveries to be done")

    def _receive_in_outlook(self, subject: str) -> None:
        contact = self._mails().filter(users=self._priya).latest("occurred_at").guests[0]["email"]
        mail = {"from": contact, "to": [self._priya.email], "subject": subject}
        self._stage.control("microsoft/messages", account=self._priya.email, messages=[mail])
        arrived = EmailMessage.unscoped.filter(company=self._company, subject=subject)
        self._stage.wait(arrived.exists, SYNCED_WITHIN, f"the mail “{subject}”")
        self._stage.wait(self._inbox_is_settled, SYNCED_WITHIN, "the deliveries to be done")

    def make_a_brief(self) -> None:
        """The meeting within the hour gets its brief from the sweep."""
        briefs = Brief.unscoped.filter(company=self._company)
        self._stage.wait(briefs.exists, BRIEF_WITHIN, "a brief")

    def result(self) -> dict[str, object]:
        """The numbers, from the database."""
        linked = Integration.unscoped.filter(sync_status="active").order_by("provider", "integration_type")
        return {
            "linked": [f"{one.provider}/{one.integration_type}" for one in linked],
            "events": CalendarEvent.unscoped.filter(company=self._company).count(),
            "messages": EmailMessage.unscoped.filter(company=self._company).count(),
            "touchpoints": self._meetings().count() + self._mails().count(),
            "follow_ups": FollowUp.unscoped.filter(company=self._company).count(),
            "briefs": Brief.unscoped.filter(company=self._company).count(),
            "webhooks": {
                "received": Delivery.objects.count(),
                "processed": Delivery.objects.filter(status__in=["done", "ignored"]).count(),
                "failed": WebhookFailure.objects.count(),
                "replayed": Attempt.objects.filter(is_replay=True, outcome=Attempt.Outcome.DONE).count(),
                "rejected": self._rejected + self._crm.rejected,
            },
            "crm": self._crm.counts(),
        }

    def _link(self, user: User, provider: str, kind: str) -> None:
        """Consent, begin to read where a plan asks for it, and wait for the first sync."""
        browser = demo.sign_in(self._stage, user)
        demo.link(browser, self._stage, user, provider, kind)
        if kind == "email":
            demo.start_reading(browser, self._stage, user)
        self._stage.wait(lambda: demo.first_sync_is_done(user, kind), SYNCED_WITHIN, f"the first sync of the {kind}")

    def _meetings(self) -> QuerySet[Touchpoint]:
        """What the calendars gave; the seeded calls are no part of it."""
        return Touchpoint.unscoped.filter(
            company=self._company, kind=Touchpoint.Kind.MEETING, cancelled_at__isnull=True
        )

    def _mails(self) -> QuerySet[Touchpoint]:
        return Touchpoint.unscoped.filter(company=self._company, kind=Touchpoint.Kind.EMAIL, cancelled_at__isnull=True)

    def _owed(self) -> QuerySet[FollowUp]:
        return FollowUp.unscoped.filter(company=self._company, outcome=FollowUp.Outcome.OPEN)

    def _coming(self) -> list[Planned]:
        """Anna's own single meetings from tomorrow on, in order: her copy and the meeting it became."""
        copies = CalendarEvent.unscoped.filter(
            company=self._company,
            organizer=self._anna.email,
            verdict=CalendarEvent.Verdict.MEETING,
            series_id="",
            starts_at__gt=timezone.now() + timedelta(days=1),
        )
        meetings = {meeting.unique_key: meeting for meeting in self._meetings()}
        found = copies.order_by("starts_at").values_list("external_id", "meeting_key")
        return [Planned(event_id, meetings[key]) for event_id, key in found if key in meetings]

    def _put(self, event: dict[str, object]) -> None:
        self._stage.control("google/events", calendar=self._anna.email, events=[event])

    def _inbox_is_settled(self) -> bool:
        open_ones = Delivery.objects.filter(status__in=["received", "processing", "waiting", "retry"])
        return not open_ones.exists()


def span(start: datetime) -> dict[str, dict[str, str]]:
    """Start and end of a half-hour meeting, as Google says it."""
    times = {"start": start, "end": start + timedelta(minutes=30)}
    return {name: {"dateTime": moment.isoformat(timespec="seconds")} for name, moment in times.items()}


def graph_span(start: datetime) -> dict[str, dict[str, str]]:
    """The same as Graph says it: without an offset, in a zone beside it."""
    bare = start.astimezone(UTC).replace(tzinfo=None)
    return {name: moment | {"timeZone": "UTC"} for name, moment in span(bare).items()}
