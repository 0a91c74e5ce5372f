"""Mail as it really comes into Outlook: one of every oddity a reader has to live with, each by a name."""

from datetime import datetime, timedelta
from typing import Any

Order = dict[str, Any]
LEGACY = "/O=EXCHANGELABS/OU=EXCHANGE ADMINISTRATIVE GROUP (FYDIBOHF23SPDLT)/CN=RECIPIENTS/CN=0A1B2C3D-CARL"
"""What stands for an address of a colleague who is gone from the directory."""


def orders(owner: str, known: str, now: datetime) -> dict[str, Order]:
    """Orders for one mailbox: ``owner`` is its address, ``known`` that of somebody its owner writes with.

    Received an hour apart up to ``now`` (aware), the first one longest ago.
    """
    made = addressed(owner, known) | dated(owner, known) | automatic(owner, known) | placed(known)
    for place, order in enumerate(reversed(made.values()), start=1):
        at = (now - timedelta(hours=place)).isoformat()
        order |= {"received_at": at} | ({"sent_at": at} if "sent_at" not in order else {})
    return made


def addressed(owner: str, known: str) -> dict[str, Order]:
    """Names and addresses."""
    user, _, domain = known.partition("@")
    return {
        "umlauts": {"from": ["Jürgen Müller", known], "subject": "Größe"},
        "upper_case": {"from": f"{user.upper()}@{domain.upper()}", "subject": "Capitals"},
        "comma": {"from": ["Grant, Gina", known], "subject": "A comma"},
        "spoofed_name": {"from": f'"{known}" <mallory@evil.example>', "subject": "An address as a name"},
        "delegated": {"from": known, "sender": "assistant@pension.example", "subject": "On behalf of"},
        "answer_elsewhere": {"from": known, "reply_to": "desk@pension.example", "subject": "Answer to the desk"},
        "nobody": {"from": None, "subject": "From nobody"},
        "legacy": {"from": ["Carl Cole", LEGACY], "cc": known, "subject": "From a directory entry"},
        "nameless_list": {"from": known, "to": [["Investor relations", ""]], "subject": "To a list of one's own"},
        "nowhere": {"from": known, "to": [], "subject": "To nobody in particular"},
        "bcc_to_me": {"from": known, "to": "carl@fund.example", "subject": "Blind copy"},
        "crowd": {"from": known, "to": [f"guest{number}@crowd.example" for number in range(200)], "cc": owner},
        "to_oneself": {"from": owner, "to": owner, "folder": "inbox", "subject": "Note to self"},
    }


def dated(owner: str, known: str) -> dict[str, Order]:
    """Dates and identities."""
    twin = {"from": known, "message_id": "twin@junk.example"}
    return {
        "no_date": {"from": known, "sent_at": None, "subject": "Never sent"},
        "long_ago": {"from": known, "sent_at": "2001-01-01T10:00:00Z", "subject": "Sent long ago"},
        "no_message_id": {"from": known, "message_id": None, "subject": "No identity"},
        "twin_one": {**twin, "subject": "The first twin"},
        "twin_two": {**twin, "subject": "The second twin"},
        "deep": {
            "from": known,
            "subject": "Re: Deep",
            "references": [f"deep{number}@junk.example" for number in range(120)],
        },
        "no_subject": {"from": owner, "to": known},
    }


def automatic(owner: str, known: str) -> dict[str, Order]:
    """What no person wrote to a person."""
    letters = {"List-Id": "Letters <letters.junk.example>", "List-Unsubscribe": "<https://junk.example/off>"}
    return {
        "newsletter": {"from": known, "headers": letters, "subject": "Our letter"},
        "mailing_list": {"from": known, "to": "talk@lists.example", "headers": {"Precedence": "list"}},
        "bulk": {"from": known, "headers": {"Precedence": "bulk"}, "subject": "To all customers"},
        "auto_reply": {
            "from": known,
            "headers": {"Auto-Submitted": "auto-replied"},
            "subject": "Automatic reply: Terms",
        },
        "auto_generated": {"from": known, "headers": {"Auto-Submitted": "auto-generated"}, "subject": "Report"},
        "not_automatic": {"from": known, "headers": {"AUTO-SUBMITTED": "no"}, "subject": "By hand"},
        "bounce": {
            "from": ["Microsoft Outlook", "postmaster@outlook.com"],
            "headers": {"Auto-Submitted": "auto-replied", "Return-Path": "<>"},
            "subject": "Undeliverable: Terms",
        },
        "invitation": {"from": known, "subject": "Call", "meeting": "request"},
        "invitation_sent": {"from": owner, "to": known, "subject": "Visit", "meeting": "request"},
        "acceptance": {"from": known, "subject": "Accepted: Visit", "meeting": "accepted"},
        "cancellation": {"from": known, "subject": "Cancelled: Call", "meeting": "cancelled"},
    }


def placed(known: str) -> dict[str, Order]:
    """What lies where nobody is read."""
    return {
        "spam": {"from": known, "folder": "junkemail", "subject": "Spam"},
        "trash": {"from": known, "folder": "deleteditems", "subject": "Thrown away"},
        "chat": {"from": known, "folder": "conversationhistory", "subject": "Chat"},
        "draft": {"to": known, "draft": True, "subject": "Not sent yet"},
        "waiting": {"to": known, "folder": "outbox", "subject": "On its way"},
        "archived": {"from": known, "folder": "archive", "subject": "Archived"},
    }
