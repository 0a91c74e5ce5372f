"""Watching a mailbox and ending that.

https://developers.google.com/workspace/gmail/api/reference/rest/v1/users/watch
"""

import json
import re

from sandbox.google.mail import errors
from sandbox.google.mail.api import Visit, api
from sandbox.google.mail.messages import is_label
from sandbox.google.mail.shapes import Answer

TOPIC = re.compile(r"^projects/[a-z][a-z0-9-]{4,28}[a-z0-9]/topics/[A-Za-z][\w.~+%-]{2,254}$")
BEHAVIOURS = frozenset({"include", "exclude"})


@api("WatchResponse")
def watch(visit: Visit) -> Answer:
    """users.watch: replaces the watch before it, and sends a notice at once."""
    wanted = json_body(visit)
    topic = str(wanted.get("topicName") or "")
    if not TOPIC.match(topic):
        raise errors.invalid_argument(f"Invalid topicName does not match projects/sandbox/topics/*: {topic}")
    if str(wanted.get("labelFilterBehavior") or "include").lower() not in BEHAVIOURS:
        raise errors.invalid_argument("Invalid labelFilterBehavior")
    labels = wanted.get("labelIds") or []
    if not isinstance(labels, list) or not all(is_label(visit.box, str(one)) for one in labels):
        raise errors.invalid_argument("Invalid label")
    pubsub = visit.google.pubsub
    if topic not in pubsub.subscriptions:
        raise errors.topic_refused(topic)
    found = pubsub.watch(visit.box.email, visit.token.client_id, topic)
    pubsub.announce(visit.box.email, visit.box.history_id)
    return {"historyId": str(visit.box.history_id), "expiration": str(found.expires_at)}


@api("")
def stop(visit: Visit) -> Answer:
    """users.stop: also where there is nothing to stop."""
    visit.google.pubsub.end(visit.box.email, visit.token.client_id)
    return {}


def json_body(visit: Visit) -> Answer:
    """The body as an object; 400 for anything else."""
    try:
        found = json.loads(visit.call.request.get_data() or b"{}")
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise errors.invalid_argument("Invalid JSON payload received.")
    return found
