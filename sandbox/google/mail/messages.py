"""Reading mail: profile, messages, threads, labels, other addresses.

https://developers.google.com/workspace/gmail/api/reference/rest/v1/users.messages
"""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from hashlib import sha256

from sandbox.google.mail import errors, search, shapes
from sandbox.google.mail.api import Visit, api, format_of, is_set, page_size, page_token, place_of, wanted_headers
from sandbox.google.mail.mailbox import SYSTEM_LABELS, Mailbox, Stored
from sandbox.google.mail.shapes import Answer

MOST_ESTIMATED = 201
SCATTER_MS = 6 * 3_600_000
Place = tuple[int, str]


@api("Profile")
def get_profile(visit: Visit) -> Answer:
    """users.getProfile."""
    box = visit.box
    return {
        "emailAddress": box.email,
        "messagesTotal": len(box.messages),
        "threadsTotal": len(box.threads),
        "historyId": str(box.history_id),
    }


@api("ListMessagesResponse")
def list_messages(visit: Visit) -> Answer:
    """users.messages.list: ids alone, newest first."""
    found, page = page_of_places(visit, message_places(visit))
    listed = [shapes.reference(visit.box.messages[name]) for _, name in page]
    return shapes.some(messages=listed) | found


@api("ListThreadsResponse")
def list_threads(visit: Visit) -> Answer:
    """users.threads.list: the threads of which a message is meant, the last one written to first."""
    newest: dict[str, int] = {}
    for place, message_id in message_places(visit):
        thread_id = visit.box.messages[message_id].thread_id
        newest.setdefault(thread_id, place)
    found, page = page_of_places(visit, sorted((place, thread_id) for thread_id, place in newest.items()))
    return shapes.some(threads=[shapes.thread(visit.box, name) for _, name in page]) | found


def page_of_places(visit: Visit, places: Sequence[Place]) -> tuple[Answer, Sequence[Place]]:
    """The page asked for, and what stands beside it in the answer."""
    rules, size = rules_of(visit), page_size(visit.args)
    after = place_of(visit, rules)
    start = bisect_right(places, (after[0], after[1])) if after else 0
    page = places[start : start + size]
    beside: Answer = {"resultSizeEstimate": min(len(places), MOST_ESTIMATED)}
    if start + size < len(places):
        beside["nextPageToken"] = page_token(visit, rules, page[-1])
    return beside, page


def rules_of(visit: Visit) -> tuple[str, list[str], bool]:
    """The parameters that say which messages are meant."""
    args = visit.args
    return args.get("q", ""), sorted(args.getlist("labelIds")), is_set(args, "includeSpamTrash")


def message_places(visit: Visit) -> list[Place]:
    """The messages a list is about, in its order: a place is the time, counted backwards, and the id."""
    text, labels, with_hidden = rules_of(visit)
    if text and visit.is_metadata_only:
        raise errors.no_search()
    box = visit.box
    if unknown := [label for label in labels if label not in SYSTEM_LABELS and label not in box.user_labels]:
        raise errors.invalid_argument(f"Invalid label: {unknown[0]}")
    key = (box.email, box.version, text, tuple(labels), with_hidden, visit.google.post.is_scattered)
    places = visit.google.post.lists.get(key)
    if places is None:
        places = sorted(place_in(visit, box.messages[one]) for one in ids_meant(visit, text, labels, with_hidden))
        visit.google.post.remember_list(key, places)
    return places


def ids_meant(visit: Visit, text: str, labels: Sequence[str], with_hidden: bool) -> set[str]:
    """The messages with all the labels that the query finds. Naming spam or trash shows it."""
    box = visit.box
    is_hidden_wanted = with_hidden or bool({"SPAM", "TRASH"} & set(labels)) or search.wants_hidden(text)
    ids = search.visible(box, with_hidden=is_hidden_wanted)
    for label in labels:
        ids &= box.by_label[label]
    return ids & search.find(box, text, visit.call.world.clock.now()) if text.strip() else ids


def place_in(visit: Visit, stored: Stored) -> Place:
    """Newest first; on order with hours of disorder, which Gmail does not exclude."""
    scatter = int(sha256(stored.id.encode()).hexdigest()[:8], 16) % SCATTER_MS if visit.google.post.is_scattered else 0
    return -stored.at_ms - scatter, stored.id


@api("Message")
def get_message(visit: Visit) -> Answer:
    """users.messages.get."""
    stored = visit.box.messages.get(visit.call.args["message_id"])
    form = format_of(visit)
    if stored is None:
        raise errors.not_found()
    return shapes.message(stored, form, wanted_headers(visit), is_decoding=visit.google.post.is_decoding)


@api("Thread")
def get_thread(visit: Visit) -> Answer:
    """users.threads.get: all its messages, the oldest first, trash among them."""
    form = format_of(visit, ("full", "metadata", "minimal"))
    box, thread_id = visit.box, visit.call.args["thread_id"]
    if thread_id not in box.threads:
        raise errors.not_found()
    held = sorted((box.messages[one] for one in box.threads[thread_id]), key=lambda one: (one.at_ms, one.id))
    wanted, is_decoding = wanted_headers(visit), visit.google.post.is_decoding
    number = max(one.history_id for one in held)
    messages = [shapes.message(one, form, wanted, is_decoding=is_decoding) for one in held]
    return {"id": thread_id, "historyId": str(number), "messages": messages}


@api("ListLabelsResponse")
def list_labels(visit: Visit) -> Answer:
    """users.labels.list."""
    return {"labels": [shapes.label(visit.box, one) for one in [*SYSTEM_LABELS, *visit.box.user_labels]]}


@api("Label")
def get_label(visit: Visit) -> Answer:
    """users.labels.get: with counts."""
    label_id = visit.call.args["label_id"]
    if not is_label(visit.box, label_id):
        raise errors.not_found()
    return shapes.label(visit.box, label_id, with_counts=True)


def is_label(box: Mailbox, label_id: str) -> bool:
    """Whether a mailbox has a label."""
    return label_id in SYSTEM_LABELS or label_id in box.user_labels


@api("ListHistoryResponse")
def list_history(visit: Visit) -> Answer:
    """users.history.list: a page may be empty and not the last; the cursor to keep is the last page's."""
    args, box = visit.args, visit.box
    start = args.get("startHistoryId", "")
    if not start.isdecimal() or len(start) > 19:
        raise errors.history_start_missing()
    kinds = history_kinds(args.getlist("historyTypes"))
    changes = box.changes_since(int(start))
    if changes is None:
        raise errors.not_found()
    rules = (start, sorted(kinds), args.get("labelId"))
    after, size = place_of(visit, rules), page_size(args)
    begin = bisect_left(changes, after + 1, key=lambda one: one.id) if after else 0
    page = changes[begin : begin + size]
    label = args.get("labelId")
    shown = [one for one in page if one.kind in kinds and (not label or label in one.labels | one.moved)]
    answer = shapes.some(history=[shapes.change(one) for one in shown]) | {"historyId": str(box.history_id)}
    if begin + size < len(changes):
        answer["nextPageToken"] = page_token(visit, rules, page[-1].id)
    return answer


KINDS = {
    "messageAdded": "messagesAdded",
    "messageDeleted": "messagesDeleted",
    "labelAdded": "labelsAdded",
    "labelRemoved": "labelsRemoved",
}


def history_kinds(wanted: Sequence[str]) -> frozenset[str]:
    """``historyTypes`` as keys of a record; all without any."""
    if unknown := [one for one in wanted if one not in KINDS]:
        raise errors.invalid_argument(f"Invalid value at 'history_types', \"{unknown[0]}\"")
    return frozenset(KINDS[one] for one in wanted or KINDS)


@api("ListSendAsResponse")
def list_send_as(visit: Visit) -> Answer:
    """users.settings.sendAs.list: the account's own address first."""
    return {"sendAs": send_as(visit)}


@api("SendAs")
def get_send_as(visit: Visit) -> Answer:
    """users.settings.sendAs.get."""
    for one in send_as(visit):
        if one["sendAsEmail"] == visit.call.args["address"]:
            return one
    raise errors.not_found()


def send_as(visit: Visit) -> list[Answer]:
    """Every address the account sends as; what is false has no key."""
    box = visit.box
    plain = {"replyToAddress": "", "signature": ""}
    own = {"sendAsEmail": box.email, "displayName": box.name, **plain, "isPrimary": True, "isDefault": True}
    return [own] + [
        {
            "sendAsEmail": one.email,
            "displayName": one.name,
            **plain,
            "treatAsAlias": True,
            "verificationStatus": "accepted" if one.is_verified else "pending",
        }
        for one in visit.google.post.aliases.get(box.email, [])
    ]
