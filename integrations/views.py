"""The settings pages over linked accounts, and the two addresses of consent."""

import uuid
from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import Q
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from integrations import administrators, cards, kinds, linking, owners, providers, resources
from integrations.contract import Service
from integrations.errors import BadConfig
from integrations.forms import DisconnectForm, StartForm
from integrations.models import Integration, SetAside, SyncRun, SyncState
from relationships.models import User
from relationships.views import members_only

RUNS_PER_PAGE = 30


@members_only
@require_GET
def settings_page(request: HttpRequest) -> HttpResponse:
    """A card for everything that can be linked."""
    shown = cards.for_user(_member(request))
    context = {"cards": shown, "has_company_wide": any(card.service.is_company_wide for card in shown)}
    return consent_page(request, "integrations/settings.html", context)


@members_only
@require_GET
def card(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """What is new on a card, as htmx asks while something is being read.

    Only counts and times while ``face`` is the card's own, so that a button keeps its focus and a screen reader its
    peace; otherwise the whole card, and one sentence for the page's live region.
    """
    shown = cards.for_integration(_seen(request, pk), _member(request))
    part = "counts" if request.GET.get("face") == shown.face else "changed"
    return render(request, f"integrations/card_{part}.html", {"card": shown})


@members_only
@require_http_methods(["GET", "POST"])
def start(request: HttpRequest, provider: str, integration_type: str) -> HttpResponse:
    """Before consent: what will be read and what never; then, by POST, to the provider's consent page."""
    try:
        service = providers.service(provider, integration_type)
        owners.check_may_link(_member(request), service)
        form = _start_form(request, provider, service)
        if request.method == "POST" and form.is_valid():
            address = linking.begin(_member(request), provider, integration_type, request.session, form.options)
            return HttpResponse(status=303, headers={"Location": address})
    except LookupError as error:
        raise Http404(str(error)) from error
    except linking.LinkRefused as why:
        return _refusal(request, why)
    except BadConfig as error:
        refused = linking.LinkRefused(
            "This installation is not set up for it",
            str(error),
            f"Its operator has to set them: see docs/{provider}.md.",
        )
        return _refusal(request, refused)
    context = {
        "service": service,
        "provider": providers.get(provider),
        "is_set_up": providers.is_set_up(provider),
        "forecast": kinds.KINDS[service.resource].forecast(provider, [scope.name for scope in service.scopes]),
        "form": form,
    }
    return consent_page(request, "integrations/start.html", context, status=400 if form.errors else 200)


def _start_form(request: HttpRequest, provider: str, service: Service) -> StartForm:
    """The questions before consent. "Reconnect" answers none: what was answered before holds."""
    before = owners.existing(_member(request), provider, service)
    known = before.details if before else {}
    data = request.POST.dict() if request.method == "POST" else None
    if data is not None and not any(question.name in data for question in service.questions):
        data = StartForm(service, None, known).initial_answers
    return StartForm(service, data, known)


@members_only
@require_GET
def callback(request: HttpRequest, provider: str) -> HttpResponse:
    """Where consent comes back to. Whatever happened there ends on a page that says so."""
    if provider not in providers.slugs():
        raise Http404
    try:
        integration = linking.finish(_member(request), provider, request.GET.dict(), request.session)
    except linking.AdministratorNeeded as needed:
        administrators.ask(_member(request), provider, needed.integration_type)
        return redirect("integrations:ask_administrator", provider, needed.integration_type)
    except linking.LinkRefused as refused:
        return _refusal(request, refused)
    service = providers.service(provider, integration.integration_type)
    messages.success(request, f"{service.label} is linked as {integration.account_address}. Reading begins now.")
    return redirect("integrations:settings")


@members_only
@require_POST
def sync_now(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """Read everything chosen now, at most every 30 seconds."""
    integration = own_link(request, pk)
    again_at = cards.for_integration(integration, _member(request)).sync_now_at
    if not integration.works:
        messages.error(request, "It cannot be read now: see its card for what to do.")
    elif again_at:
        seconds = max(1, round((again_at - timezone.now()).total_seconds()))
        messages.warning(request, f"It was read a moment ago. You can ask again in {seconds} seconds.")
    else:
        linking.poke_all(integration, SyncRun.Trigger.MANUAL)
        messages.success(request, "Reading begins now.")
    return redirect("integrations:settings")


@members_only
@require_POST
def pause(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """Stop reading, keep the link."""
    integration = own_link(request, pk)
    linking.pause(integration, f"{_who(request, integration)} paused it.")
    messages.success(request, "Paused. Nothing is read until you resume it.")
    return redirect("integrations:settings")


@members_only
@require_POST
def resume(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """Go on, and read what happened meanwhile."""
    linking.resume(own_link(request, pk))
    messages.success(request, "Resumed. What happened meanwhile is read now.")
    return redirect("integrations:settings")


@members_only
@require_http_methods(["GET", "POST"])
def choose(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """Choose calendars one by one. A mailbox leaves no choice: 404."""
    integration = own_link(request, pk)
    if not kinds.of(integration).is_choice:
        raise Http404
    states = SyncState.objects.filter(integration=integration)
    if request.method == "POST":
        wanted = {str(state.pk): state.pk for state in states}
        resources.choose(integration, [wanted[pk] for pk in request.POST.getlist("calendar") if pk in wanted])
        messages.success(request, "Saved. Newly chosen calendars are read now.")
        return redirect("integrations:settings")
    context = {"integration": integration, "states": states, "service": _service(integration)}
    return render(request, "integrations/calendars.html", context)


@members_only
@require_GET
def history(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """What each run found and left out, and what could not be read: the coverage receipt."""
    integration = own_link(request, pk)
    runs = SyncRun.objects.filter(state__integration=integration).select_related("state")
    reasons = kinds.of(integration).skipped
    page = Paginator(runs, RUNS_PER_PAGE).get_page(request.GET.get("page"))
    rows = [(run, [(reasons.get(key, key), number) for key, number in sorted(run.skipped.items())]) for run in page]
    context = {
        "integration": integration,
        "kind": kinds.of(integration),
        "service": _service(integration),
        "page": page,
        "rows": rows,
        "set_aside": SetAside.objects.filter(state__integration=integration).select_related("state")[:100],
    }
    return render(request, "integrations/history.html", context)


@members_only
@require_http_methods(["GET", "POST"])
def disconnect(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """End the link; whether imported data goes too is a question of its own."""
    integration = own_link(request, pk)
    is_ended = integration.sync_status == Integration.Status.REVOKED
    form = DisconnectForm(request.POST or None, initial={"imported": "delete" if is_ended else "keep"})
    if request.method == "POST" and form.is_valid():
        linking.disconnect(integration, form.is_data_deleted, f"{_who(request, integration)} disconnected it.")
        kept = "What was imported is being deleted." if form.is_data_deleted else "What was imported stays."
        messages.success(request, kept if is_ended else f"Disconnected. {kept}")
        return redirect("integrations:settings")
    context = {
        "integration": integration,
        "kind": kinds.of(integration),
        "service": _service(integration),
        "provider": providers.get(integration.provider),
        "is_ended": is_ended,
        "form": form,
        "counts": resources.count_imported(integration),
        "others": _other_links(integration),
    }
    return render(request, "integrations/disconnect.html", context, status=400 if form.errors else 200)


def own_link(request: HttpRequest, pk: uuid.UUID) -> Integration:
    """The member's own link, or for an admin his company's; anybody else's is a 404."""
    integration = _seen(request, pk)
    if not owners.may_change(_member(request), integration):
        raise Http404
    return integration


def _seen(request: HttpRequest, pk: uuid.UUID) -> Integration:
    """A link that the member sees: his own or his company's. Anybody else's is a 404."""
    rows = Integration.objects.filter(Q(user=_member(request)) | Q(user=None)).select_related("linked_by")
    return get_object_or_404(rows, pk=pk)


def _who(request: HttpRequest, integration: Integration) -> str:
    """Who did something to a link, for all who see it."""
    return str(_member(request)) if integration.user is None else "You"


def _member(request: HttpRequest) -> User:
    assert isinstance(request.user, User), "members_only let him in"
    return request.user


def _other_links(integration: Integration) -> list[str]:
    """What else hangs on the same account's consents, in words; another company's link is not named."""
    others = linking.others_of_account(integration).values_list("company", "user", "integration_type")
    whose = integration.company_id, integration.user_id
    own = [providers.service(integration.provider, kind).label for *owner, kind in others if tuple(owner) == whose]
    return own + ["another link of this account"] * any(tuple(owner) != whose for *owner, _ in others)


def _service(integration: Integration) -> Service:
    return providers.service(integration.provider, integration.integration_type)


def _refusal(request: HttpRequest, refused: linking.LinkRefused) -> HttpResponse:
    return consent_page(request, "integrations/refused.html", {"refused": refused}, status=refused.status)


def consent_page(request: HttpRequest, template: str, context: dict[str, Any], status: int = 200) -> HttpResponse:
    """A page with a form that ends at a provider's consent page: the CSP has to let that form go there.

    Browsers hold ``form-action`` against every redirect on the way, and a firm's own sign-in page may be among them.
    """
    response = render(request, template, context, status=status)
    response._csp_update = {"form-action": ["https:"]}  # type: ignore[attr-defined]
    return response
