"""What members settle for themselves: name and clock, and who may see what."""

import uuid
import zoneinfo

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from relationships import blocking
from relationships import privacy as subjects
from relationships.forms import BlockForm, ProfileForm, SharingForm, time_zones
from relationships.models import BlockRule, User
from relationships.views.guards import member_of, members_only


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def profile(request: HttpRequest) -> HttpResponse:
    """What somebody is called, and the time zone in which pages show times to them."""
    user = member_of(request)
    form = ProfileForm(request.POST or None, initial={"name": user.name, "time_zone": user.time_zone})
    if request.method == "POST" and form.is_valid():
        User.objects.filter(pk=user.pk).update(**form.cleaned_data)
        zone = form.cleaned_data["time_zone"]
        clock = timezone.localtime(timezone=zoneinfo.ZoneInfo(zone))
        messages.success(request, f"Saved. It is now {clock:%H:%M} in {zone}.")
        return redirect("relationships:profile")
    context = {"form": form, "zones": time_zones()}
    return render(request, "relationships/profile.html", context, status=400 if form.errors else 200)


@members_only
@require_http_methods(["GET", "HEAD", "POST"])
def privacy(request: HttpRequest) -> HttpResponse:
    """Who may read the member's subjects, and whom the member and the firm keep out.

    A new rule is shown with what it concerns before it is saved.
    """
    member, do = member_of(request), request.POST.get("do", "")
    if do == "share":
        return _share(request, member)
    form = BlockForm(request.POST if do in {"look", "save"} else None, user=member)
    plan = None
    if form.is_bound and form.is_valid():
        data = form.cleaned_data
        if do == "save":
            rule = blocking.keep_out(data["kind"], data["value"], data["strength"], data["of"])
            messages.success(request, f"{rule.value} is kept out. What is stored follows within a few minutes.")
            return redirect("relationships:privacy")
        plan = blocking.affected(data["kind"], data["value"], data["of"])
    rules = BlockRule.objects.filter(Q(user=member) | Q(user=None)).order_by("value", "pk")
    context = {
        "sharing": SharingForm(initial={"is_shared": member.shares_mail_subjects}),
        "form": form,
        "plan": plan,
        "own_rules": [rule for rule in rules if rule.user_id],
        "firm_rules": [rule for rule in rules if not rule.user_id],
    }
    return render(request, "relationships/privacy.html", context, status=400 if form.errors else 200)


def _share(request: HttpRequest, member: User) -> HttpResponse:
    form = SharingForm(request.POST)
    is_shared = form.is_valid() and form.cleaned_data["is_shared"]
    changed = subjects.share_subjects(member, is_shared)
    who = "Colleagues may read your subjects" if is_shared else "Your subjects are yours alone"
    messages.success(request, f"{who} from now on. That changed {changed} past mail{'' if changed == 1 else 's'}.")
    return redirect("relationships:privacy")


@members_only
@require_http_methods(["GET", "HEAD", "POST"])
def rule(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """What comes back when a rule is removed, and its removal: the member's own, or as a company admin the firm's."""
    member = member_of(request)
    may = Q(user=member) | Q(user=None) if member.is_company_admin else Q(user=member)
    row = get_object_or_404(BlockRule.objects.filter(may), pk=pk)
    if request.method == "POST":
        row.delete()
        messages.success(request, f"{row.value} is no longer kept out.")
        return redirect("relationships:privacy")
    return render(request, "relationships/rule.html", {"rule": row})
