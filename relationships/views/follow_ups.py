"""Who owes whom an answer, and what the member does about it."""

import uuid
from datetime import date

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import formats, timezone
from django.views.decorators.http import require_GET, require_POST

from relationships import follow_ups as verbs
from relationships import owed
from relationships.forms import UntilForm
from relationships.models import FollowUp
from relationships.views.guards import member_of, members_only

SHOWN = 200


@members_only
@require_GET
def follow_ups(request: HttpRequest) -> HttpResponse:
    """What the member owes and is owed, the longest first; after a dismissal, the way back."""
    return _show(request)


@members_only
@require_POST
def follow_up(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """Lets the member's own follow-up rest, ends it, takes that back, or makes a task of it: the button says ``do``."""
    row = get_object_or_404(FollowUp.objects.select_related("user", "person"), pk=pk, user=member_of(request))
    match request.POST.get("do"):
        case "dismiss":
            verbs.dismiss(row)
            return redirect(f"{reverse('relationships:follow_ups')}?dismissed={row.pk}")
        case "reopen":
            verbs.reopen(row)
        case "wake":
            verbs.wake(row)
        case "tomorrow":
            return _snooze(request, row, owed.tomorrow(row.user))
        case "next_week":
            return _snooze(request, row, owed.next_monday(row.user))
        case "task":
            return _make_task(request, row, owed.next_workday(row.user))
        case "snooze_until" | "task_until" as what:
            form = UntilForm(request.POST)
            if not form.is_valid():
                return _show(request, row, form)
            act = _snooze if what == "snooze_until" else _make_task
            return act(request, row, form.cleaned_data["on"])
        case _:
            return HttpResponseBadRequest("What is to be done?")
    return redirect("relationships:follow_ups")


def _snooze(request: HttpRequest, row: FollowUp, until_on: date) -> HttpResponse:
    verbs.snooze(row, until_on)
    messages.success(request, f"It comes back on {formats.date_format(until_on, 'l j F')}, unless it is answered.")
    return redirect("relationships:follow_ups")


def _make_task(request: HttpRequest, row: FollowUp, due_on: date) -> HttpResponse:
    task = verbs.make_task(row, due_on)
    day = formats.date_format(task.due_on, "l j F") if task.due_on else "some day"
    messages.success(request, f"Task “{task.title}” is due on {day}. It is done by itself once the mail is answered.")
    return redirect("relationships:follow_ups")


def _show(request: HttpRequest, wrong: FollowUp | None = None, form: UntilForm | None = None) -> HttpResponse:
    """The page; with the row whose ``form`` could not be read."""
    member, now = member_of(request), timezone.now()
    debts = owed.in_words_for(member, owed.due(member, now)[:SHOWN], now)
    context = {
        "ours": [debt for debt in debts if debt.is_ours],
        "theirs": [debt for debt in debts if not debt.is_ours],
        "is_more": len(debts) == SHOWN,
        "later": owed.in_words_for(member, owed.later(member, now)[:SHOWN], now),
        "dismissed": _dismissed(request, member.pk),
        "wrong": wrong,
        "form": form,
        "first_day": owed.tomorrow(member),
        "now": now,
    }
    return render(request, "relationships/follow_ups.html", context, status=400 if form else 200)


def _dismissed(request: HttpRequest, member_id: uuid.UUID) -> FollowUp | None:
    """The follow-up that was dismissed just now."""
    try:
        pk = uuid.UUID(request.GET.get("dismissed", ""))
    except ValueError:
        return None
    rows = FollowUp.objects.select_related("person")
    return rows.filter(pk=pk, user=member_id, outcome=FollowUp.Outcome.DISMISSED).first()
