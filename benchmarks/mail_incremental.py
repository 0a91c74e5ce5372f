"""What a mailbox that was read costs from then on: the calls of a sync after one new mail, and after nothing.

The mailbox is the sandbox's and holds ``--messages`` mails, of which ``--known`` are with contacts. Calls are counted
by the far side; a batch counts as what it asks for, and as a request of its own.
"""

import time
from argparse import Namespace
from collections.abc import Callable
from typing import Any

import requests
from django.conf import settings
from django.db import connection
from django.db.models import F
from django.test.utils import CaptureQueriesContext

from benchmarks import mail_sync, report, scene, stage
from integrations import grants
from integrations.email.models import EmailMessage
from integrations.models import Integration, SyncState
from tests.pretend_google import Google
from tests.pretend_mail import Mail

MOST_CALLS = 3
ACCOUNT = scene.OWNER
KNOWN = [f"partner-{number}@lp-{number}.example" for number in range(60)]
STRANGERS = [f"stranger-{number}@elsewhere-{number}.example" for number in range(300)]
PER_THREAD = 3


def main() -> None:
    parser = stage.parser(__doc__, database="postgresql")
    parser.add_argument("--messages", type=int, default=100_000, help="in the mailbox, before the new one")
    parser.add_argument("--known", type=int, default=2_000, help="how many of them are with contacts")
    parser.add_argument("--latency", type=int, default=50, help="milliseconds")
    stage.run("benchmarks.mail_incremental", parser.parse_args(), measure)


def measure(options: Namespace) -> stage.Result:
    """Read what is with contacts, then sync again and again."""
    settings.GMAIL_UNITS_PER_MINUTE = 1_000_000_000
    settings.MAIL_PLAN_SECONDS = 0
    port = stage.free_port()
    with stage.process(stage.manage("sandbox", "--port", str(port))), requests.Session() as http:
        stage.wait_for_port(port)
        mail = Mail(Google(f"http://127.0.0.1:{port}", http), lambda: 0)
        state = _link(mail, options)
        mail_sync.until_clean(state.pk)
        assert EmailMessage.unscoped.count() == options.known
        mail.google.post("latency", milliseconds=options.latency)
        return _rounds(mail, state, options)


def _link(mail: Mail, options: Namespace) -> SyncState:
    """A mailbox full of mail, and its grant."""
    settings.PROVIDER_ORIGINS["https://gmail.googleapis.com"] = f"{mail.google.url}/google-gmail"
    mail.google.post("google/accounts", email=ACCOUNT, name="Olive Owner", hd=ACCOUNT.partition("@")[2])
    mail.limit(None)
    mail.bulk(ACCOUNT, options.messages - options.known, *STRANGERS, per_thread=PER_THREAD)
    mail.bulk(ACCOUNT, options.known, *KNOWN, per_thread=PER_THREAD)
    state = mail_sync.link("google", KNOWN)
    tokens = {"access_token": mail.token(ACCOUNT), "refresh_token": "none"}
    sealed = grants.seal(state.integration, tokens)
    Integration.unscoped.filter(pk=state.integration_id).update(encrypted_tokens=sealed)
    return state


def _rounds(mail: Mail, state: SyncState, options: Namespace) -> stage.Result:
    answered = EmailMessage.unscoped.filter(is_sent=True).values_list("message_id", flat=True)[0]
    reply = {"subject": "Re: Data room", "in_reply_to": answered, "references": answered}
    happens: dict[str, Callable[[], object]] = {
        "nothing new": lambda: None,
        "one new mail": lambda: mail.put(ACCOUNT, from_=KNOWN[0], to=ACCOUNT, subject="Data room"),
        "an answer to an old one": lambda: mail.put(ACCOUNT, from_=KNOWN[1], to=ACCOUNT, **reply),
        "one from a stranger": lambda: mail.put(ACCOUNT, from_=STRANGERS[0], to=ACCOUNT, subject="Offer"),
    }
    rounds = report.Rounds()
    for turn in range(options.rounds + 1):
        for name, happen in happens.items():
            happen()
            found = _again(mail, state)
            # The first turn warms up.
            if turn:
                rounds.add(name, **found)
    stored = EmailMessage.unscoped.count() - options.known
    assert stored == 2 * (options.rounds + 1), f"{stored} new mails stored"
    return _tell(rounds, options)


def _again(mail: Mail, state: SyncState) -> dict[str, float]:
    """Calls, quota units, statements and seconds of one more sync."""
    SyncState.unscoped.filter(pk=state.pk).update(dirty_mark=F("done_mark") + 1, next_attempt_at=None)
    mail.google.http.delete(f"{mail.google.url}/control/requests", timeout=20).raise_for_status()
    units = -mail.used(ACCOUNT)["total"]
    begun = time.perf_counter()
    with CaptureQueriesContext(connection) as seen:
        mail_sync.until_clean(state.pk)
    seconds = time.perf_counter() - begun
    calls = sum(mail.google.get("requests")["counts"].values())
    return {"calls": calls, "units": units + mail.used(ACCOUNT)["total"], "statements": len(seen), "seconds": seconds}


def _tell(rounds: report.Rounds, options: Namespace) -> dict[str, Any]:
    results, rows = {}, []
    for name in rounds.configurations():
        found = results[name] = rounds.medians(name)
        target = report.verdict(found["calls"], MOST_CALLS, is_floor=False)
        rows.append([name, *(int(found[one]) for one in ("calls", "units", "statements")), found["seconds"], target])
    print(f"\n{options.messages:,} mails in the mailbox, {options.known:,} of them with contacts")
    report.table(["", "calls", "units", "statements", "seconds", "target of calls"], rows)
    return results


if __name__ == "__main__":
    main()
