"""Mail as it really comes: one of every oddity a reader of headers has to live with, each by a name."""

from datetime import datetime, timedelta
from typing import Any

Order = dict[str, Any]
INVITATION = "BEGIN:VCALENDAR\nMETHOD:REQUEST\nBEGIN:VEVENT\nUID:junk@sandbox\nEND:VEVENT\nEND:VCALENDAR\n"


def orders(owner: str, known: str, now: datetime) -> dict[str, Order]:
    """Orders for one mailbox: ``owner`` is its address, ``known`` that of somebody its owner writes with.

    Taken an hour apart up to ``now`` (aware), the first one longest ago.
    """
    made = addressed(owner, known) | dated(known) | automatic(owner, known) | hidden(known) | raw(owner, known)
    for place, order in enumerate(reversed(made.values()), start=1):
        order |= {"date": (now - timedelta(hours=place)).isoformat(), "copies": False}
    return made


def addressed(owner: str, known: str) -> dict[str, Order]:
    """Names and addresses."""
    many = [f"guest{number}@crowd.example" for number in range(200)]
    user, _, domain = known.partition("@")
    return {
        "encoded_name": {"from": f"=?UTF-8?Q?J=C3=BCrgen_M=C3=BCller?= <{known}>", "subject": "Encoded name"},
        "quoted_encoded_name": {"from": f'"=?utf-8?B?SsO8cmdlbg==?=" <{known}>', "subject": "Wrongly quoted"},
        "unknown_charset": {"from": known, "headers": {"Subject": "=?x-nothing?Q?abc?="}},
        "upper_case": {"from": f"{user.upper()}@{domain.upper()}", "subject": "Capitals"},
        "comment": {"from": f"{known} (Gina Grant)", "subject": "Name in a comment"},
        "unquoted_comma": {"from": f"Grant, Gina <{known}>", "subject": "A comma"},
        "spoofed_name": {"from": f'"{known}" <mallory@evil.example>', "subject": "Quoted address as a name"},
        "spoofed_bare_name": {"from": f"{known} <mallory@evil.example>", "subject": "Bare address as a name"},
        "no_from": {"from": known, "headers": {"From": None}, "subject": "From nobody"},
        "empty_from": {"from": known, "headers": {"From": ""}, "subject": "From nothing"},
        "group": {"from": known, "to": f"Team: {owner}, carl@fund.example;, dora@fund.example", "subject": "A group"},
        "undisclosed": {"from": known, "to": "undisclosed-recipients:;", "subject": "To nobody in particular"},
        "bcc_to_me": {"from": known, "to": "carl@fund.example", "subject": "Blind copy"},
        "crowd": {"from": known, "to": [owner, *many], "subject": "Two hundred recipients"},
        "repeated_to": {"from": known, "headers": [["To", owner], ["TO", "carl@fund.example"]], "subject": "Twice"},
        "to_oneself": {"from": owner, "to": owner, "subject": "Note to self"},
    }


def dated(known: str) -> dict[str, Order]:
    """Dates and identities."""
    twin = {"from": known, "message_id": "twin@junk.example"}
    return {
        "junk_date": {"from": known, "headers": {"Date": "afnhz"}, "subject": "Junk date"},
        "no_date": {"from": known, "headers": {"Date": None}, "subject": "No date"},
        "naive_date": {"from": known, "headers": {"Date": "Mon, 1 Jan 2001 10:00:00 -0000"}, "subject": "Long ago"},
        "no_message_id": {"from": known, "message_id": None, "subject": "No identity"},
        "twin_one": {**twin, "subject": "The first twin"},
        "twin_two": {**twin, "subject": "The second twin"},
        "long_references": {
            "from": known,
            "subject": "Re: Deep",
            "references": [f"deep{number}@junk.example" for number in range(120)],
        },
        "odd_message_id": {"from": known, "headers": {"Message-ID": "no brackets here"}, "subject": "Odd identity"},
    }


def automatic(owner: str, known: str) -> dict[str, Order]:
    """What no person wrote to a person."""
    letters = {"List-Id": "Letters <letters.junk.example>", "List-Unsubscribe": "<https://junk.example/off>"}
    return {
        "newsletter": {"from": known, "headers": letters, "subject": "Our letter"},
        "mailing_list": {"from": known, "to": "talk@lists.example", "headers": {"Precedence": "list"}},
        "bulk": {"from": known, "headers": {"Precedence": "bulk"}, "subject": "To all customers"},
        "auto_reply": {"from": known, "headers": {"Auto-Submitted": "auto-replied"}, "subject": "Out of office"},
        "auto_generated": {"from": known, "headers": {"Auto-Submitted": "auto-generated"}, "subject": "Report"},
        "not_automatic": {"from": known, "headers": {"Auto-Submitted": "no"}, "subject": "By hand"},
        "old_auto_reply": {"from": known, "headers": {"X-Autoreply": "yes", "Precedence": "auto_reply"}},
        "bounce": {
            "from": "Mail Delivery Subsystem <mailer-daemon@googlemail.com>",
            "headers": {"Auto-Submitted": "auto-replied", "Return-Path": "<>"},
            "subject": "Delivery Status Notification (Failure)",
        },
        "invitation": {"from": known, "subject": "Invitation: Call", "invitation": INVITATION},
        "invitation_sent": {"from": owner, "to": known, "subject": "Invitation: Visit", "invitation": INVITATION},
    }


def hidden(known: str) -> dict[str, Order]:
    """What is never taken."""
    return {
        "spam": {"from": known, "labels": ["SPAM", "UNREAD"], "subject": "Spam"},
        "trash": {"from": known, "labels": ["TRASH"], "subject": "Thrown away"},
        "chat": {"from": known, "labels": ["CHAT"], "subject": "Chat"},
        "draft": {"to": known, "labels": ["DRAFT"], "subject": "Not sent yet"},
        "unlabelled": {"from": known, "labels": [], "subject": "Archived"},
    }


def raw(owner: str, known: str) -> dict[str, Order]:
    """Mails that no program of today would write."""
    return {
        "no_headers": {"raw": "\n\nA text without any header.\n"},
        "eight_bit": {"raw": f"From: J\udcfcrgen <{known}>\nTo: {owner}\nSubject: Gr\udcfc\udcdfe\n\nRaw bytes.\n"},
        "odd_case": {"raw": f"FROM: {known}\ncC: {owner}\nsubject: Odd case\nMessage-Id: <odd@junk.example>\n\nText\n"},
        "folded": {
            "raw": f"From: Gina\n <{known}>\nTo: {owner},\n\tcarl@fund.example\nSubject: Folded\n over lines\n\nText\n"
        },
        "twice_from": {
            "raw": f"From: {known}\nFrom: mallory@evil.example\nTo: {owner}\nSubject: Two senders\n\nText\n"
        },
        "broken_mime": {
            "raw": f"From: {known}\nTo: {owner}\nContent-Type: multipart/mixed\nSubject: No boundary\n\nText\n"
        },
    }
