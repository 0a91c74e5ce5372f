"""One touchpoint with all that hangs on it, and the tasks that came out of it."""

import uuid
from collections.abc import Sequence
from datetime import timedelta

from django.contrib import messages
from django.db.models import Prefetch
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST

from relationships import addresses, briefs, conversations, notes, privacy
from relationships.forms import NoteForm
from relationships.models import Person, Task, Touchpoint, User
from relationships.views.guards import member_of, members_only
from relationships.views.today import join_url

BRIEFS_SHOWN = 10
NOTES_SHOWN = 50
MAILS_SHOWN = 50
MAIL_AROUND = timedelta(days=14)


@members_only
@require_http_methods(["GET", "HEAD", "POST"])
def meeting(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """One touchpoint: when, who, its briefs, notes and follow-ups, mail around it; a POST writes a note."""
    people = Prefetch("people", Person.objects.select_related("organization").prefetch_related("addresses"))
    touchpoint = get_object_or_404(
        Touchpoint.objects.select_related("company").prefetch_related(people, "users"), pk=pk
    )
    form = NoteForm(request.POST if request.method == "POST" else None, initial={"token": uuid.uuid4()})
    if request.method == "POST" and form.is_valid():
        notes.write(touchpoint, member_of(request), **form.cleaned_data)
        messages.success(request, "Note saved.")
        return redirect(f"{request.path}#notes")
    readers = [member_of(request)]
    is_open = privacy.may_read(touchpoint, *readers)
    made = list(touchpoint.briefs.order_by("-version")[:BRIEFS_SHOWN]) if is_open else []
    shown = next(
        (brief for brief in made if str(brief.version) == request.GET.get("version")), made[0] if made else None
    )
    context = {
        "touchpoint": touchpoint,
        "title": privacy.title_for(touchpoint, *readers),
        "is_open": is_open,
        "is_mine": member_of(request) in touchpoint.users.all(),
        "readers": readers,
        "mail": _mail_around(touchpoint, readers),
        "join_url": join_url(touchpoint),
        "unknown": _unknown_guests(touchpoint) if is_open else [],
        "brief": shown,
        "facts": briefs.readable(shown) if shown else {},
        "versions": made,
        "is_newest": shown in made[:1],
        "now": timezone.now(),
        "brief_due_at": briefs.due_at(touchpoint),
        "notes": touchpoint.notes.select_related("author").order_by("-created_at")[:NOTES_SHOWN],
        "tasks": touchpoint.tasks.select_related("assignee")[:NOTES_SHOWN],
        "today_on": timezone.localdate(),
        "form": form,
    }
    return render(request, "relationships/meeting.html", context)


@members_only
@require_POST
def task(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """Closes a follow-up, or opens it again; back to the person or the meeting it belongs to."""
    row = get_object_or_404(Task, pk=pk)
    now, is_done = timezone.now(), request.POST.get("is_done") == "1"
    Task.objects.filter(pk=row.pk, done_at__isnull=is_done).update(done_at=now if is_done else None, updated_at=now)
    messages.success(request, f"“{row.title}” is {'done' if is_done else 'open again'}.")
    if row.touchpoint_id:
        return redirect("relationships:meeting", row.touchpoint_id)
    if row.person_id:
        return redirect(f"{reverse('relationships:person', args=[row.person_id])}?show=tasks")
    return redirect("relationships:today")


def _mail_around(touchpoint: Touchpoint, readers: Sequence[User]) -> list[conversations.Entry]:
    """Mail with the same contacts within MAIL_AROUND of it, by conversation, the newest first."""
    people = Touchpoint.people.through._default_manager.filter(person__in=touchpoint.people.all())
    at = touchpoint.occurred_at
    mails = Touchpoint.objects.filter(
        kind=Touchpoint.Kind.EMAIL,
        cancelled_at=None,
        occurred_at__range=(at - MAIL_AROUND, at + MAIL_AROUND),
        pk__in=people.values("touchpoint"),
    ).exclude(pk=touchpoint.pk)
    mails = mails.prefetch_related("users", "people").order_by("-occurred_at", "pk")
    return conversations.group(mails[:MAILS_SHOWN], readers)


def _unknown_guests(touchpoint: Touchpoint) -> list[dict[str, str]]:
    """Guests who are nobody's known address."""
    known = {address.match_key for person in touchpoint.people.all() for address in person.addresses.all()}
    return [guest for guest in touchpoint.guests if _key(guest.get("email", "")) not in known]


def _key(email: str) -> str:
    """The address as contacts are compared by; as it stands where it is none."""
    try:
        return addresses.match_key(email)
    except ValueError:
        return email
