"""Why is this mail here, or not? The member's own mail with the rule that decided, and the texts the member saved."""

import uuid
from typing import NamedTuple

from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from integrations import outsiders, providers, tokens
from integrations.email import exchanges, saved
from integrations.email.models import EmailMessage, SavedMail
from relationships import addresses
from relationships.models import BlockRule, Organization, Touchpoint, User
from relationships.views import members_only

MAILS_PER_PAGE = 50

Verdict = EmailMessage.Verdict


class Answer(NamedTuple):
    """What becomes of mail with an address, and what to do if that is not wanted."""

    is_taken: bool
    words: str
    remedy: str = ""


@members_only
@require_GET
def mail(request: HttpRequest) -> HttpResponse:
    """The member's own stored mail, newest first, by words and by verdict; and what becomes of mail with an address.

    ``of`` is a touchpoint's id: then it is the member's own copy of that mail.
    """
    if of := request.GET.get("of", ""):
        return redirect("integrations:message", pk=_own_copy(request, of).pk)
    words = request.GET.get("q", "").strip()[:254]
    verdict = request.GET.get("verdict", "")
    rows = _own_mail(request)
    if words:
        rows = rows.filter(Q(subject__icontains=words) | Q(parties__email__icontains=words.lower())).distinct()
    if verdict in Verdict.values:
        rows = rows.filter(verdict=verdict)
    page = Paginator(rows.prefetch_related("parties").order_by("-sent_at", "pk"), MAILS_PER_PAGE).get_page(
        request.GET.get("page")
    )
    context = {
        "page": page,
        "answer": _answer(words, _member(request)),
        "rules": exchanges.RULES,
        "verdicts": Verdict.choices,
        "q": words,
        "verdict": verdict,
        "has_mailbox": _member(request).integrations.filter(integration_type="email").exists(),
    }
    return render(request, "email/mail.html", context)


def _own_copy(request: HttpRequest, touchpoint_id: str) -> EmailMessage:
    """The member's copy of the mail behind a touchpoint. Raises Http404."""
    try:
        keys = Touchpoint.objects.filter(pk=uuid.UUID(touchpoint_id)).values("unique_key")
    except ValueError as error:
        raise Http404 from error
    one = _own_mail(request).filter(unique_key__in=keys).first()
    if one is None:
        raise Http404
    return one


@members_only
@require_GET
def message(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """One of the member's own mails: who, when, which rule decided; with the button that saves its text."""
    one = get_object_or_404(_own_mail(request).select_related("thread", "state__integration"), pk=pk)
    kept = SavedMail.objects.filter(user=_member(request), unique_key=one.unique_key).first()
    thread = _own_mail(request).filter(thread=one.thread_id).exclude(pk=one.pk).prefetch_related("parties")
    context = {
        "mail": one,
        "parties": sorted(one.parties.all(), key=lambda party: exchanges.ROLES.index(party.role)),
        "thread": thread.order_by("-sent_at")[:MAILS_PER_PAGE],
        "touchpoint": Touchpoint.objects.filter(unique_key=one.unique_key, cancelled_at=None).first(),
        "rule": dict(exchanges.RULES).get(one.get_verdict_display(), ""),
        "saved": kept,
        "headers_only": saved.HEADERS_ONLY,
        "is_text_refused": not _may_read_text(one),
        "is_coming": kept is not None and saved.is_coming(kept),
    }
    return render(request, "email/message.html", context)


@members_only
@require_POST
def save(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """Save the text of one of the member's own mails."""
    saved.begin(_member(request), get_object_or_404(_own_mail(request), pk=pk))
    return redirect("integrations:message", pk=pk)


@members_only
@require_GET
def saved_mails(request: HttpRequest) -> HttpResponse:
    """The mails whose text the member saved."""
    rows = SavedMail.objects.filter(user=_member(request)).defer("encrypted_text").order_by("-created_at", "pk")
    page = Paginator(rows.exclude(encrypted_text=b""), MAILS_PER_PAGE).get_page(request.GET.get("page"))
    return render(request, "email/saved_mails.html", {"page": page})


@never_cache
@members_only
@require_http_methods(["GET", "POST"])
def saved_mail(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """A saved text, for whoever saved it; by POST it is deleted."""
    one = get_object_or_404(SavedMail.objects.filter(user=_member(request)), pk=pk)
    if request.method == "POST":
        mail_id = one.message_id
        one.delete()
        messages.success(request, "The saved text is deleted. The mail itself stays as it is in your mailbox.")
        return redirect("integrations:message", pk=mail_id) if mail_id else redirect("integrations:saved_mails")
    context = {"saved": one, "text": "", "trouble": one.error}
    if one.encrypted_text:
        try:
            context["text"] = saved.text_of(one)
        except tokens.CannotDecrypt as error:
            context["trouble"] = f"It cannot be decrypted. {error}"
    return render(request, "email/saved_mail.html", context)


def _may_read_text(one: EmailMessage) -> bool:
    integration = one.state.integration
    return providers.mail_adapter(integration.provider).may_read_text(integration.scopes)


def _own_mail(request: HttpRequest) -> QuerySet[EmailMessage]:
    return EmailMessage.objects.filter(state__integration__user=_member(request))


def _member(request: HttpRequest) -> User:
    assert isinstance(request.user, User), "members_only let him in"
    return request.user


def _answer(words: str, user: User) -> Answer | None:
    """What becomes of mail with somebody, where the words are an address."""
    try:
        email = addresses.normalize(words)
    except ValueError:
        return None
    assert user.company_id is not None, "members_only let him in"
    rules = outsiders.rules_for(user.company_id, user.pk)
    if rules.is_colleague(email):
        return Answer(False, "is your firm's own. Mail among yourselves is never stored.")
    strength = rules.blocked.strength(email, user.pk)
    if strength == BlockRule.Strength.NEVER:
        return Answer(False, "is never taken, by a block rule.", "Remove the rule, and its mail is looked for.")
    if strength == BlockRule.Strength.HIDE:
        return Answer(True, "is hidden by a block rule: its mail is stored, and shown nowhere but here.")
    known = outsiders.find_known([email])
    if person := known.people.get(outsiders.key_of(email)):
        return Answer(True, f"is {person.name}, a contact: its mail counts.")
    if firm := known.organizations.get(outsiders.domain_of(email)):
        return Answer(True, f"writes from the domain of {Organization.objects.get(pk=firm).name}: its mail counts.")
    return Answer(
        False,
        "is nobody you know: no contact, nor from the domain of a firm you know. Nothing of such mail is stored.",
        "Once it is a contact's address, its mail of the last 90 days is looked for.",
    )
