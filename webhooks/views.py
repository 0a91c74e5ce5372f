"""Where providers' servers post. In this order: method, size, type, rate, body, who sent it, store, answer.

An answer of 2xx promises that the request is stored for good. Our own trouble is always 503, never 4xx, so that the
provider sends again; a request that proves nothing learns nothing.
"""

import logging
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

from django.conf import settings
from django.http import HttpResponse, UnreadablePostError
from django.utils import timezone
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.parsers import BaseParser
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from integrations import channel_tokens
from integrations.contract import Claim, IncomingRequest, Reply, Sender
from integrations.errors import Refused, Unreadable
from webhooks import inbox, senders
from webhooks.bucket import Bucket

log = logging.getLogger(__name__)

CONTENT_TYPES = {"application/json", "text/xml", "text/plain"}
"""What providers post: JSON, SOAP messages, and the plain text of handshakes."""

RETRY_AFTER = 10
"""Seconds after which a provider should send again what we could not store."""

ANSWERS = {
    inbox.Receipt.STORED: (202, "Stored."),
    inbox.Receipt.DUPLICATE: (200, "Stored before."),
    inbox.Receipt.UNKNOWN: (404, "Refused."),
    # Refused it would come again and again, though nothing is wrong with it.
    inbox.Receipt.UNWATCHED: (200, "Nobody here reads it."),
}
NOTHING = (200, "Nothing in it.")
"""The answer to a request that proves itself and carries no push at all."""


class AnyAccept(BaseContentNegotiation):
    """Answers JSON whatever the sender says it accepts: a push must not be lost to a header."""

    def select_parser(self, request: Request, parsers: Iterable[BaseParser]) -> None:
        return None

    def select_renderer(
        self, request: Request, renderers: Iterable[BaseRenderer], format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        renderer = next(iter(renderers))
        return renderer, renderer.media_type


class WebhookView(APIView):
    """One address per webhook type, one per type and sender, and one per channel where a sender can sign nothing."""

    http_method_names = ["post"]
    content_negotiation_class = AnyAccept
    schema = None

    def post(self, request: Request, webhook_type: str, provider: str = "", **of_channel: str) -> HttpResponse:
        """Take one push in. 202 stored, 200 stored before or a handshake, 4xx not for us, 503 send it again.

        ``of_channel`` is what else the address says: it is read by the sender's own module, and by nobody here.
        """
        try:
            return (
                _turned_away(request) or _over_rate(webhook_type, provider) or _taken(request, webhook_type, provider)
            )
        except Refused:
            return _answer(401, "Refused.")
        except (Unreadable, UnreadablePostError):
            return _answer(400, "Not readable.")
        except Exception:
            # No database, a full disk, a bug: whatever it is, it is ours, and the push must come again.
            log.exception("A webhook could not be stored.")
            return _answer(503, "Send it again.", RETRY_AFTER)


def _turned_away(request: Request) -> Response | None:
    """The answer to a request whose headers are reason enough not to read its body."""
    meta = request.META
    length = meta.get("CONTENT_LENGTH") or "0"
    # Neither length nor transfer encoding means no body (RFC 9112, 6.3). A server that hands a chunked body on without
    # having counted it would give us an empty one.
    if not meta.get("CONTENT_LENGTH") and "HTTP_TRANSFER_ENCODING" in meta:
        return _answer(411, "Say the length.")
    if not (length.isascii() and length.isdigit()):
        return _answer(400, "Not readable.")
    if len(length) > 12 or int(length) > settings.WEBHOOK_MAX_BYTES:
        return _answer(413, "Too long.")
    content_type = meta.get("CONTENT_TYPE", "").partition(";")[0].strip().lower()
    if content_type not in CONTENT_TYPES and (content_type or int(length)):
        return _answer(415, "Not this content type.")
    # An encoded body may unpack to any size.
    if meta.get("HTTP_CONTENT_ENCODING", "identity").strip().lower() != "identity":
        return _answer(415, "Not this content encoding.")
    return None


def _over_rate(webhook_type: str, provider: str) -> Response | None:
    """404 for an address nobody was given, 429 for one that gets more than this process should take."""
    known = senders.by_type().get(webhook_type, {})
    if not known or (provider and provider not in known):
        return _answer(404, "Refused.")
    wait = _bucket(webhook_type, provider).take()
    return _answer(429, "Slow down.", int(wait) + 1) if wait else None


def _taken(request: Request, webhook_type: str, slug: str) -> HttpResponse:
    incoming = IncomingRequest(
        method="POST",
        url=settings.PUBLIC_URL + request.get_full_path(),
        headers=_headers(request.META),
        body=request.body,
        received_at=timezone.now(),
    )
    if len(incoming.body) != int(request.META.get("CONTENT_LENGTH") or 0):
        return _answer(400, "Not readable.")
    sender = _find_sender(incoming, webhook_type, slug)
    if sender is None:
        return _answer(404, "Refused.")
    asked = sender.handshake(incoming)
    if asked is not None:
        return _shaken(asked)
    claims = _claims(sender, incoming)
    # A whole request is stored before any of it is promised: cut short, all of it comes again, and is known.
    receipts = {
        inbox.receive(sender.slug, webhook_type, claim, incoming.body if claim.body is None else claim.body)
        for claim in claims
    }
    status, detail = next((answer for receipt, answer in ANSWERS.items() if receipt in receipts), NOTHING)
    reply = next((claim.reply for claim in claims if claim.reply), None)
    return _said(reply) if reply and status < 300 else _answer(status, detail)


def _said(reply: Reply) -> HttpResponse:
    """What this sender wants to read, by a fixed text of its module."""
    return HttpResponse(reply.text, content_type=reply.content_type, headers={"Cache-Control": "no-store"})


def _shaken(text: str) -> HttpResponse:
    """The sender's own text, which no browser may take for anything but text: anybody can make such a request."""
    headers = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"}
    return HttpResponse(text, content_type="text/plain; charset=utf-8", headers=headers)


def _headers(meta: Mapping[str, Any]) -> dict[str, str]:
    """What Django's ``request.headers`` holds, with names lower-cased at once: it spells each of them twice."""
    return {
        name.removeprefix("HTTP_").replace("_", "-").lower(): value
        for name, value in meta.items()
        if name.startswith("HTTP_") or name in {"CONTENT_TYPE", "CONTENT_LENGTH"}
    }


def _find_sender(incoming: IncomingRequest, webhook_type: str, slug: str) -> Sender | None:
    """The one the address names, or the one that recognises the request as its own."""
    known = senders.by_type()[webhook_type]
    if slug:
        return known[slug]
    return next((sender for sender in known.values() if sender.recognises(incoming)), None)


def _claims(sender: Sender, incoming: IncomingRequest) -> tuple[Claim, ...]:
    """Whom the request comes from. Raises Refused or Unreadable."""
    try:
        return sender.verify(incoming, channel_tokens.is_signed)
    except (ValueError, RecursionError) as error:
        # What cannot be parsed is the sender's fault: JSON nested too deep, text that is no UTF-8.
        raise Unreadable(str(error)) from error


@cache
def _bucket(webhook_type: str, provider: str) -> Bucket:
    return Bucket(settings.WEBHOOK_MAX_PER_SECOND)


def _answer(status: int, detail: str, retry_after: int | None = None) -> Response:
    headers = {"Cache-Control": "no-store"}
    if retry_after is not None:
        headers["Retry-After"] = str(retry_after)
    return Response({"detail": detail}, status=status, headers=headers)
