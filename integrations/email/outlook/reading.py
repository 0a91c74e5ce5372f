"""Reads the heads of messages, twenty by a request. Sent mail has no headers, so who and what is read from its fields.

https://learn.microsoft.com/graph/api/resources/message
"""

from collections.abc import Collection, Iterator, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import requests

from integrations.contract import JsonObject, MailBatch, MailRef, MessageCopy, Party, UnreadableItem
from integrations.email import headers
from integrations.email.outlook import calls, folders
from integrations.errors import (
    IntegrationError,
    Permanent,
    ResourceGone,
    Temporary,
    TokenRefused,
    Unreadable,
)
from integrations.providers import microsoft
from relationships import addresses

SELECT = ",".join(
    [
        "id",
        "internetMessageId",
        "conversationId",
        "subject",
        "from",
        "sender",
        "toRecipients",
        "ccRecipients",
        "bccRecipients",
        "receivedDateTime",
        "isDraft",
        "parentFolderId",
        "importance",
        "internetMessageHeaders",
    ]
)
"""Of a message Graph sends no more than this: no text, no preview of it."""

FIELDS = {"from": "from", "to": "toRecipients", "cc": "ccRecipients", "bcc": "bccRecipients"}
IMPORTANT = "high"

Answers = Mapping[str, JsonObject | IntegrationError]


def read(http: requests.Session, wanted: Collection[MailRef]) -> MailBatch:
    """The heads of these messages. Raises TokenRefused where the token was refused inside the batch, and what was
    refused for all of them."""
    answers = _answers(http, {ref.external_id: calls.message(ref.external_id, SELECT) for ref in wanted})
    found = {name: answer for name, answer in answers.items() if isinstance(answer, dict)}
    errors = {name: answer for name, answer in answers.items() if isinstance(answer, IntegrationError)}
    _check(errors, len(answers))
    places = folders.labels(http, {str(item.get("parentFolderId")) for item in found.values()}) if found else {}
    messages, unreadable, gone = _sorted(found, places)
    waits = [error.retry_after for error in errors.values() if isinstance(error, Temporary) and error.retry_after]
    return MailBatch(
        messages=tuple(messages),
        unreadable=(*unreadable, *_refused(errors)),
        gone=tuple(gone),
        missing=tuple(name for name, error in errors.items() if isinstance(error, ResourceGone)),
        again=tuple(name for name, error in errors.items() if isinstance(error, Temporary)),
        retry_after=max(waits, default=None),
    )


def _answers(http: requests.Session, paths: Mapping[str, str]) -> Answers:
    """What Graph answers for each message. A batch that fails as a whole takes nothing from those before it."""
    answers: dict[str, JsonObject | IntegrationError] = {}
    try:
        answers.update(microsoft.batch(http, paths))
    except TokenRefused:
        raise
    except Temporary as error:
        if not answers:
            raise
        answers |= dict.fromkeys(paths.keys() - answers.keys(), error)
    return answers


def _check(errors: Mapping[str, IntegrationError], asked: int) -> None:
    """Raises what is no single message's fault: a refused token, or a refusal of all there was."""
    for error in errors.values():
        if isinstance(error, TokenRefused):
            raise error
    refused = [error for error in errors.values() if _is_refusal(error)]
    if refused and len(errors) == asked and (asked > 1 or type(refused[0]) is not Permanent):
        raise refused[0]


def _is_refusal(error: IntegrationError) -> bool:
    return not isinstance(error, Temporary | ResourceGone)


def _refused(errors: Mapping[str, IntegrationError]) -> Iterator[UnreadableItem]:
    for name, error in errors.items():
        if _is_refusal(error):
            yield UnreadableItem(name, str(error))


def _sorted(
    found: Mapping[str, JsonObject], places: Mapping[str, str]
) -> tuple[list[MessageCopy], list[UnreadableItem], list[str]]:
    """What was read, what could not be, and what is never taken."""
    messages: list[MessageCopy] = []
    unreadable: list[UnreadableItem] = []
    gone: list[str] = []
    for name, item in found.items():
        try:
            copy = message(name, item, places)
        except Unreadable as error:
            unreadable.append(UnreadableItem(name, str(error)))
            continue
        if copy is None:
            gone.append(name)
        else:
            messages.append(copy)
    return messages, unreadable, gone


def message(external_id: str, item: JsonObject, places: Mapping[str, str]) -> MessageCopy | None:
    """One message resource, by the id it was asked by; None for what is never taken.

    Raises Unreadable for what makes no sense.
    """
    try:
        return _message(external_id, item, places)
    except calls.ODD as error:
        raise Unreadable(f"It has an unknown form ({type(error).__name__}).") from error


def _message(external_id: str, item: JsonObject, places: Mapping[str, str]) -> MessageCopy | None:
    place = places.get(str(item.get("parentFolderId")), folders.OTHER)
    if item.get("isDraft") is True or place == folders.NEVER:
        return None
    named = headers.grouped(
        (one["name"], one["value"])
        for one in item.get("internetMessageHeaders") or ()
        if isinstance(one.get("name"), str) and isinstance(one.get("value"), str)
    )
    is_sent = place == "sent"
    thread_id = item.get("conversationId")
    labels = (place, "important" if item.get("importance") == IMPORTANT else "")
    return MessageCopy(
        external_id=external_id,
        thread_id=thread_id if calls.is_id(thread_id) else external_id,
        sent_at=_moment(item),
        message_id=headers.message_id({"message-id": [str(item.get("internetMessageId") or "")]}),
        in_reply_to=headers.in_reply_to(named),
        references=headers.references(named),
        subject=headers.cleaned(str(item.get("subject") or ""))[: headers.MAX_SUBJECT],
        # Whom a blind copy went to is known to its sender alone, whose copy has no headers, wherever it was moved.
        parties=tuple(party for party in parties(item) if is_sent or not named or party.role != "bcc"),
        is_sent=is_sent,
        labels=tuple(label for label in labels if label),
        automatic="invitation" if _is_about_meeting(item) else headers.automatic(named),
    )


def _is_about_meeting(item: JsonObject) -> bool:
    """Invitations, answers to them and cancellations are of types of their own, sent ones too."""
    return str(item.get("@odata.type", "")).lower().startswith("#microsoft.graph.eventmessage")


def parties(item: JsonObject) -> tuple[Party, ...]:
    """Who is in From, To, Cc and Bcc, each once per role. Where nobody is named as author, it is who sent it.

    What has no address of mail, such as an entry of a directory, is left out.
    """
    found: dict[tuple[str, str], Party] = {}
    for role, field in FIELDS.items():
        for email, name in _people(item.get(field) or (item.get("sender") if role == "from" else None)):
            found.setdefault((role, email), Party(role, email, name))
            if len(found) >= headers.MAX_PARTIES:
                return tuple(found.values())
    return tuple(found.values())


def emails(item: JsonObject) -> Collection[str]:
    """The addresses in a message's From, To and Cc."""
    return {party.email for party in parties(item)}


def _people(value: Any) -> Iterator[tuple[str, str]]:
    for one in value if isinstance(value, list) else [value] if value else []:
        who = one.get("emailAddress") or {}
        found = _normal(str(who.get("address") or ""), str(who.get("name") or ""))
        if found:
            yield found


@lru_cache(maxsize=4096)
def _normal(address: str, name: str) -> tuple[str, str] | None:
    """Address and name. Outlook repeats the address where there is no name. The same people stand in most mails."""
    try:
        email = addresses.normalize(address)
    except ValueError:
        return None
    shown = headers.cleaned(name)[: headers.MAX_NAME]
    return email, "" if shown.lower() == email else shown


def _moment(item: JsonObject) -> datetime:
    """When the mailbox took it. When it was sent may be anything, so it is not asked."""
    taken_at = datetime.fromisoformat(item["receivedDateTime"])
    if taken_at.tzinfo is None or not 1970 <= taken_at.year <= 9000:
        raise Unreadable("Its date makes no sense.")
    return taken_at.astimezone(UTC)
