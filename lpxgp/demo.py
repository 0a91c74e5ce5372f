"""``make demo``: a firm with four months of meetings on a laptop, linked and synced, with nothing real involved."""

import io
import os
import signal
import sys
import time

import requests
from allauth.socialaccount.models import SocialAccount
from django.conf import settings
from django.core.management import call_command
from django.utils import timezone

from crm.models import RecordLink
from integrations.calendar.models import CalendarEvent
from integrations.email.models import EmailMessage
from integrations.models import Integration, SyncRun
from lpxgp import demo_crm_links, demo_mailboxes, demo_outlook, demo_stage, demo_world, schedules
from lpxgp.demo_browser import Browser, form_to, form_with
from lpxgp.demo_crm_links import SALESFORCE, CrmLink
from lpxgp.demo_stage import Stage, Stuck
from lpxgp.demo_world import Cast
from relationships import demo as seed
from relationships import demo_names, tenancy
from relationships.management.commands.seed_demo import DEFAULT_PASSWORD
from relationships.models import Company, FollowUp, Fund, Touchpoint, User

WEB_PORT, SANDBOX_PORT = 8000, 9400
GOOGLE, OUTLOOK = "google", "microsoft"
KINDS = ("calendar", "email")
CONNECTIONS = "/accounts/3rdparty/"
SETTINGS = "/settings/integrations/"


def enter() -> None:
    """Find free ports and become the staged process. PORT and SANDBOX_PORT name others. Does not return."""
    ports = []
    for name, usual in (("PORT", WEB_PORT), ("SANDBOX_PORT", SANDBOX_PORT)):
        wanted = int(os.environ.get(name, usual))
        ports.append(demo_stage.free_port(wanted))
        if ports[-1] != wanted:
            say(f"Port {wanted} is taken: using {ports[-1]}.")
    demo_stage.enter("demo", settings.VAR_DIR, *ports)


def run() -> int:
    """Start everything and stay until Ctrl-C; the exit code."""
    began = time.monotonic()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    stage = Stage()
    try:
        say("Preparing the database")
        prepare()
        say("Starting sandbox, web server and worker")
        with stage.open():
            company, anna = people()
            priya = company.users.get(email=load_world(stage, company, anna).outlook_user.email)
            linked = [(user, provider, kind) for user, provider in ((anna, GOOGLE), (priya, OUTLOOK)) for kind in KINDS]
            for user, provider, kind in linked:
                if not Integration.unscoped.filter(user=user, provider=provider, integration_type=kind).exists():
                    say(f"Linking {user.get_short_name()}'s {provider} {kind} through the sandbox's consent page")
                    browser = sign_in(stage, user)
                    link(browser, stage, user, provider, kind)
                    if kind == "email":
                        start_reading(browser, stage, user)
            if not SocialAccount.objects.filter(user=anna, provider="microsoft").exists():
                connect_microsoft(sign_in(stage, anna), stage, anna)
            crms = connect_crms(stage)
            awaited = [(user, kind) for user, provider, kind in linked if works(user, provider, kind)]
            stage.wait(lambda: all(first_sync_is_done(*one) for one in awaited), 120, "the first syncs")
            living = [crm for crm in crms if crm.works]
            stage.wait(lambda: all(map(demo_crm_links.is_synced, living)), 120, "the first syncs of the CRMs")
            introduce(stage, company, anna, crms, time.monotonic() - began)
            while True:
                stage.check()
                time.sleep(0.5)
    except KeyboardInterrupt:
        say("\nStopped. The data stays in var/; make demo goes on with it.")
        return 0
    except (Stuck, LookupError, requests.RequestException) as error:
        say(f"{error}\n{stage.log_tails()}")
        return 1


def prepare() -> None:
    """Tables, cache table, schedules and the seeded firm; again and again without harm."""
    call_command("migrate", verbosity=0)
    call_command("createcachetable", verbosity=0)
    schedules.ensure()
    call_command("seed_demo", stdout=io.StringIO())
    call_command("seed_demo", company=seed.SECOND_COMPANY, small=True, stdout=io.StringIO())


def people() -> tuple[Company, User]:
    """The seeded firm, and the user everything is shown as."""
    company = Company.objects.get(name=seed.COMPANY)
    return company, company.users.get(email=f"{demo_names.COLLEAGUES[0][1]}@{seed.domain_of(company.name)}")


def password() -> str:
    """What everybody in the demo signs in with."""
    return os.environ.get("DEMO_PASSWORD") or DEFAULT_PASSWORD


def load_world(stage: Stage, company: Company, anna: User) -> Cast:
    """Give the colleagues accounts, meetings and mail, at Google or in Outlook; what is there already stays as it is.

    The meeting that is about to begin is new each time.
    """
    with tenancy.within(company.pk):
        cast = demo_world.cast_of(company, anna.email, Fund.objects.order_by("-vintage")[0].name)
    for colleague in cast.colleagues:
        person = {"email": colleague.email, "name": colleague.name, "timeZone": cast.time_zone}
        if colleague != cast.outlook_user:
            stage.control("google/accounts", **person, hd=colleague.email.partition("@")[2])
        stage.control("microsoft/accounts", upn=colleague.email, name=colleague.name)
    mail_pushes = f"{stage.web}/webhooks/email-received/google"
    stage.control(
        "google/pubsub", topic=demo_stage.TOPIC, endpoint=mail_pushes, service_account=demo_stage.PUSH_ACCOUNT
    )
    # Two whom sign-in has to refuse: a stranger, and a foreign tenant's account that claims Anna's address.
    stage.control("google/accounts", email="sam.stranger@elsewhere.example", name="Sam Stranger")
    stage.control("microsoft/accounts", upn="eve@elsewhere.example", name="Eve Impostor", mail=anna.email)
    listing = f"{stage.sandbox}/control/google/events"
    if not demo_stage.local().get(listing, params={"calendar": anna.email}, timeout=30).json()["events"]:
        fill(stage, cast)
    stage.control("google/events", calendar=anna.email, events=[demo_world.next_one(cast, timezone.now())])
    return cast


def fill(stage: Stage, cast: Cast) -> None:
    """Put four months of meetings and mail into the colleagues' accounts, of which nobody is told."""
    now, priya = timezone.now(), cast.outlook_user
    calendars = demo_world.by_calendar(cast, now)
    in_outlook = demo_outlook.moved_over(calendars, priya)
    stage.control("microsoft/events", account=priya.email, events=in_outlook, silent=True)
    for calendar, events in calendars.items():
        stage.control("google/events", calendar=calendar, events=events, silent=True)
    boxes = demo_mailboxes.by_mailbox(cast, now)
    in_outlook = list(demo_outlook.outlook_mails([mail for mails in boxes.values() for mail in mails], priya))
    stage.control("microsoft/messages", account=priya.email, messages=in_outlook, silent=True)
    del boxes[priya.email]
    for account, mails in boxes.items():
        stage.control("google/mail", account=account, messages=mails, silent=True)


def sign_in(stage: Stage, user: User) -> Browser:
    """A browser in which ``user`` is signed in. Raises Stuck."""
    browser = Browser()
    page = browser.sign_in(stage.web, user.email, password())
    if page.status != 200 or "/accounts/login" in page.url:
        raise Stuck(f"{user.email} could not sign in: {page.url} answered {page.status}.")
    return browser


def link(browser: Browser, stage: Stage, user: User, provider: str, kind: str) -> None:
    """From the settings page over the consent page and back, as a person would. ``kind`` is one of KINDS.

    Raises Stuck.
    """
    start = browser.get(f"{stage.web}/oauth/start/{provider}/{kind}")
    consent = browser.submit(start, form_to(start, ""))
    form = form_with(consent, "decision", "allow")
    back = browser.submit(consent, form, account=user.email, decision="allow")
    if back.status != 200 or "/settings/integrations" not in back.url:
        raise Stuck(f"Linking ended at {back.url} ({back.status}): {' '.join(back.text.split())[:600]}")


def start_reading(browser: Browser, stage: Stage, user: User) -> None:
    """See on the mailbox's card what was found and how long reading takes, and begin. Raises Stuck."""
    card = f"{stage.web}{SETTINGS}"
    stage.wait(lambda: "Start reading now" in browser.get(card).text, 60, "the plan of the first sync")
    mailbox = Integration.unscoped.get(user=user, integration_type="email")
    page = browser.get(card)
    browser.submit(page, form_to(page, f"{SETTINGS}{mailbox.pk}/sync/"))


def connect_microsoft(browser: Browser, stage: Stage, user: User) -> None:
    """From the page of account connections over the consent page and back, as a person would. Raises Stuck."""
    page = browser.get(f"{stage.web}{CONNECTIONS}")
    consent = browser.submit(page, form_to(page, "/accounts/microsoft/login/?process=connect"))
    form = form_with(consent, "decision", "allow")
    back = browser.submit(consent, form, account=user.email, decision="allow")
    if back.status != 200 or not back.url.endswith(CONNECTIONS) or f"Microsoft: {user.email}" not in back.text:
        raise Stuck(f"Connecting Microsoft ended at {back.url} ({back.status}).")


def connect_crms(stage: Stage) -> tuple[CrmLink, ...]:
    """Both companies' CRMs, linked by their admins unless they are already, and told where to send their pushes."""
    crms = demo_crm_links.load(stage)
    for crm in crms:
        browser = sign_in(stage, crm.admin)
        if not crm.is_linked:
            say(f"Linking {crm.company.name}'s {crm.provider} through the sandbox's consent page")
            demo_crm_links.connect(stage, browser, crm)
        if crm.provider == SALESFORCE and crm.works:
            demo_crm_links.announce_salesforce(stage, browser, crm)
    return crms


def works(user: User, provider: str, kind: str) -> bool:
    """The same of a member's calendar or mailbox as CrmLink.works."""
    return Integration.unscoped.get(user=user, provider=provider, integration_type=kind).works


def first_sync_is_done(user: User, kind: str) -> bool:
    """Whether a sync of the user's calendars, or of the mailbox, has ended well."""
    runs = SyncRun.unscoped.filter(state__integration__user=user, state__integration__integration_type=kind)
    return runs.filter(outcome=SyncRun.Outcome.DONE).exists()


def introduce(stage: Stage, company: Company, anna: User, crms: tuple[CrmLink, ...], seconds: float) -> None:
    """Say where to look and what to try."""
    meetings = Touchpoint.unscoped.filter(company=company, kind=Touchpoint.Kind.MEETING).count()
    events = CalendarEvent.unscoped.filter(company=company).count()
    mails = EmailMessage.unscoped.filter(company=company, verdict=EmailMessage.Verdict.EXCHANGE).count()
    owed = FollowUp.unscoped.filter(company=company, outcome=FollowUp.Outcome.OPEN).count()
    kept = RecordLink.unscoped.filter(integration=crms[0].integration, state=RecordLink.State.LINKED).count()
    say(
        f"""
{events} events were read, {meetings} of them are meetings with people the firm knows ({seconds:.0f} s).
{mails} mails were exchanged with them; {owed} wait for an answer, ours or theirs.
{kept} records are kept equal with Salesforce: firms, people, meetings, mail, tasks and notes.

  Open       {stage.web}/
  Log in     {anna.email}   password: {password()}
  Staff      {seed.STAFF_EMAIL}   same password, at {stage.web}/admin/
  Sandbox    {stage.sandbox}/   (the pretend Google, Microsoft, Salesforce and HubSpot: nothing is real)

Try this
  - Today: the next meeting starts within the hour; its brief appears within a minute.
  - Who owes whom: the answers that are due, with how long each side usually takes.
  - Integrations: what was read, which meetings were left out, and why.
  - Sign in as a colleague ({", ".join(other.email for other in colleagues(company, anna))})
    and connect a calendar yourself, in the browser. Priya's is Outlook, and linked already: a meeting that Anna and
    Priya both have is one meeting, whichever calendar it came from.
  - Sign out, and continue with Google as any colleague, or with Microsoft as Anna, who has connected it.
    Strangers are refused, and told what to do; so is an impostor who claims Anna's address.
  - Cancel the next meeting "at Google" and watch it leave the page within seconds:
      curl -H "Content-Type: application/json" {stage.sandbox}/control/google/events/cancel \\
        -d '{{"calendar": "{anna.email}", "ids": ["{next_event_id(company, anna)}"]}}'
{demo_crm_links.tour(stage, crms)}

Logs are in {stage.logs}. Ctrl-C stops everything; to begin anew, delete {stage.folder}."""
    )


def next_event_id(company: Company, anna: User) -> str:
    """The provider's id of the next meeting on Anna's calendar."""
    copies = CalendarEvent.unscoped.filter(company=company, organizer=anna.email, starts_at__gt=timezone.now())
    meetings = copies.filter(verdict=CalendarEvent.Verdict.MEETING).order_by("starts_at")
    return meetings.values_list("external_id", flat=True).first() or ""


def colleagues(company: Company, anna: User) -> list[User]:
    """The other users of the firm."""
    return list(company.users.exclude(pk=anna.pk))


def say(text: str) -> None:
    """To the person at the terminal."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
