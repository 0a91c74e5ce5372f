"""Where a member gets the link for his administrator, and where the administrator comes back to."""

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods

from integrations import administrators, providers
from integrations.errors import BadConfig
from integrations.views import consent_page
from relationships.models import User
from relationships.views import members_only


@members_only
@require_http_methods(["GET", "POST"])
def ask(request: HttpRequest, provider: str, integration_type: str) -> HttpResponse:
    """The member's link for his administrator, made by POST; and how it stands."""
    assert isinstance(request.user, User), "members_only let him in"
    try:
        service = providers.service(provider, integration_type)
        if request.method == "POST":
            administrators.ask(request.user, provider, integration_type)
            return redirect("integrations:ask_administrator", provider, integration_type)
    except (LookupError, BadConfig) as error:
        raise Http404(str(error)) from error
    asked = administrators.asked(request.user).get((provider, integration_type))
    if asked is None and not administrators.may_ask(provider, integration_type):
        raise Http404
    context = {"service": service, "provider": providers.get(provider), "asked": asked}
    return consent_page(request, "integrations/ask_administrator.html", context)


@never_cache
@require_GET
def returned(request: HttpRequest, provider: str) -> HttpResponse:
    """Where an administrator's consent comes back to. Public, so it names neither the member nor the firm."""
    if not administrators.may_return(provider):
        raise Http404
    outcome = administrators.returned(provider, request.GET.dict())
    context = {"outcome": outcome, "provider": providers.get(provider)}
    status = 200 if outcome in {"allowed", "refused"} else 400
    return render(request, "integrations/administrator_returned.html", context, status=status)
