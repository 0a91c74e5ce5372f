"""The members' pages over the domain. Rows come from the member's own company alone: lpxgp.middleware.Tenancy."""

import uuid
import zoneinfo
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import wraps
from itertools import groupby
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.db.models import Exists, F, OuterRef, Prefetch, Q, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.cache import patch_vary_headers
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from relationships import addresses, briefs, notes
from relationships.forms import NoteForm, ProfileForm, SearchForm, time_zones
from relationships.models import Brief, Note, Person, PersonAddress, Task, Touchpoint, User

AGENDA_DAYS = 14
AGENDA_LIMIT = 100
LATEST = 8
PEOPLE_PER_PAGE = 50
HISTORY_PER_PAGE = 25
SEARCH_WORDS = 5
BRIEFS_SHOWN = 10
NOTES_SHOWN = 50
NOTES_ASKED = 20

MemberView = Callable[..., HttpResponse]


@dataclass(frozen=True)
class Row:
    """A touchpoint in a list. ``others`` counts guests who are no contacts; a brief is made or due."""

    touchpoint: Touchpoint
    others: int
    join_url: str
    brief_made_at: datetime | None
    brief_due_at: datetime


def members_only(view: MemberView) -> MemberView:
    """Visitors sign in first; staff, who belong to no company, are shown the way to the admin."""

    @login_required
    @wraps(view)
    def guarded(request: HttpRequest, **kwargs: uuid.UUID) -> HttpResponse:
        if _member(request).company_id is None:
            return render(request, "relationships/no_company.html")
        return view(request, **kwargs)

    return guarded


def _member(request: HttpRequest) -> User:
    assert isinstance(request.user, User)
    return request.user


@members_only
@require_GET
def today(request: HttpRequest) -> HttpResponse:
    """The next two weeks, the notes that wait to be written, the latest touchpoints: the member's own or the firm's."""
    member, now = _member(request), timezone.now()
    is_firm = request.GET.get("of") == "firm"
    mine = Touchpoint.objects.filter(cancelled_at=None)
    if not is_firm:
        mine = mine.filter(users=member)
    coming = _rows(_coming(mine, now)[: AGENDA_LIMIT + 1])
    return render(
        request,
        "relationships/today.html",
        {
            "days": _by_day(coming[:AGENDA_LIMIT], timezone.localdate(now)),
            "is_more": len(coming) > AGENDA_LIMIT,
            "agenda_limit": AGENDA_LIMIT,
            "agenda_days": AGENDA_DAYS,
            "waiting": list(notes.waiting_for_note(member, now)[:NOTES_ASKED]),
            "latest": _rows(mine.filter(occurred_at__lte=now)[:LATEST]),
            "is_firm": is_firm,
            "now": now,
        },
    )


def _coming(touchpoints: QuerySet[Touchpoint], now: datetime) -> QuerySet[Touchpoint]:
    """Meetings that run now or start within AGENDA_DAYS days of the member's calendar.

    All-day meetings are compared by date: their stored midnight UTC is no moment in the member's zone.
    """
    first_day = timezone.localdate(now)
    last_day = first_day + timedelta(days=AGENDA_DAYS)
    until = timezone.make_aware(datetime.combine(last_day, time.min))
    timed = Q(all_day_on=None, occurred_at__lt=until) & (Q(occurred_at__gte=now) | Q(ended_at__gt=now))
    still_running = Q(all_day_on__lt=first_day, ended_at__gt=datetime.combine(first_day, time.min, UTC))
    all_day = Q(all_day_on__gte=first_day, all_day_on__lt=last_day) | still_running
    return touchpoints.filter(timed | all_day, kind=Touchpoint.Kind.MEETING).order_by("occurred_at", "pk")


def _rows(touchpoints: QuerySet[Touchpoint]) -> list[Row]:
    """What a list shows of them, in the same number of queries for one and for a hundred."""
    newest = Brief.objects.filter(touchpoint=OuterRef("pk")).order_by("-version").values("made_at")[:1]
    with_brief = touchpoints.annotate(brief_made_at=Subquery(newest))
    people = Prefetch("people", Person.objects.select_related("organization"))
    return [
        Row(
            touchpoint,
            others=max(0, len(touchpoint.guests) - len(touchpoint.people.all())),
            join_url=_join_url(touchpoint),
            brief_made_at=touchpoint.brief_made_at,
            brief_due_at=briefs.due_at(touchpoint),
        )
        for touchpoint in with_brief.select_related("company").prefetch_related(people, "organizations")
    ]


def _join_url(touchpoint: Touchpoint) -> str:
    """Where to join. Whoever sends an invitation chooses this text: nothing but a web address becomes a link."""
    url = touchpoint.join_url
    return url if url.startswith("https://") and not touchpoint.cancelled_at else ""


def _by_day(rows: list[Row], first_day: date) -> list[tuple[date, list[Row]]]:
    """By the days of the member's calendar, all-day meetings first; what began earlier stands under ``first_day``."""

    def day(row: Row) -> date:
        return max(row.touchpoint.all_day_on or timezone.localdate(row.touchpoint.occurred_at), first_day)

    ordered = sorted(rows, key=lambda row: (day(row), row.touchpoint.all_day_on is None, row.touchpoint.occurred_at))
    return [(each, list(group)) for each, group in groupby(ordered, key=day)]


@members_only
@require_GET
def people(request: HttpRequest) -> HttpResponse:
    """The firm's contacts, searched by name, address or firm; htmx asks for the list alone."""
    form = SearchForm(request.GET)
    query = form.cleaned_data["q"] if form.is_valid() else ""
    page = Paginator(_found(query), PEOPLE_PER_PAGE).get_page(request.GET.get("page"))
    context = {"form": form, "query": query, "page": page}
    response = render(request, f"relationships/people{'_list' if _wants_part(request) else ''}.html", context)
    patch_vary_headers(response, ["HX-Request"])
    return response


def _wants_part(request: HttpRequest) -> bool:
    """Whether htmx asks for a part of the page; on its way back through the history it needs the whole."""
    return request.headers.get("HX-Request") == "true" and "HX-History-Restore-Request" not in request.headers


def _found(query: str) -> QuerySet[Person]:
    """People of whom every word of ``query`` is part of the name, an address or the firm's name."""
    latest = Touchpoint.objects.filter(people=OuterRef("pk"), cancelled_at=None, occurred_at__lte=timezone.now())
    found = (
        Person.objects.select_related("organization")
        .prefetch_related("addresses")
        .annotate(last_touched_at=Subquery(latest.order_by("-occurred_at").values("occurred_at")[:1]))
        .order_by("display_name", "pk")
    )
    for word in query.split()[:SEARCH_WORDS]:
        has_address = Exists(PersonAddress.objects.filter(person=OuterRef("pk"), email__icontains=word))
        found = found.filter(Q(display_name__icontains=word) | Q(organization__name__icontains=word) | has_address)
    return found


@members_only
@require_GET
def person(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """One contact: facts, the firm's matches, and one of timeline, notes and tasks, by pages."""
    contact = get_object_or_404(
        Person.objects.select_related("organization", "assistant_of").prefetch_related("addresses", "assistants"), pk=pk
    )
    lists: dict[str, QuerySet[Any]] = {
        "timeline": _timeline(contact),
        "notes": _notes(contact),
        "tasks": _tasks(contact),
    }
    shown = request.GET.get("show", "timeline")
    shown = shown if shown in lists else "timeline"
    counts = {name: rows.count() for name, rows in lists.items()}
    page = Paginator(lists[shown], HISTORY_PER_PAGE).get_page(request.GET.get("page"))
    matches = contact.organization.matches.select_related("fund")[:10] if contact.organization else []
    return render(
        request,
        "relationships/person.html",
        {
            "person": contact,
            "shown": shown,
            "counts": counts,
            "page": page,
            "matches": matches,
            "now": timezone.now(),
            "today_on": timezone.localdate(),
        },
    )


def _timeline(contact: Person) -> QuerySet[Touchpoint]:
    return contact.touchpoints.filter(cancelled_at=None).prefetch_related("users").order_by("-occurred_at", "pk")


def _notes(contact: Person) -> QuerySet[Note]:
    """Notes on the contact, and on meetings the contact was at."""
    about = Q(Exists(Note.people.through.objects.filter(note=OuterRef("pk"), person=contact)))
    at = Q(Exists(Touchpoint.people.through.objects.filter(touchpoint=OuterRef("touchpoint"), person=contact)))
    return Note.objects.filter(about | at).select_related("author", "touchpoint").order_by("-created_at", "pk")


def _tasks(contact: Person) -> QuerySet[Task]:
    """Open ones first, by due date; then the done ones, the latest first."""
    order = (F("done_at").desc(nulls_first=True), F("due_on").asc(nulls_last=True), "created_at")
    return contact.tasks.select_related("assignee").order_by(*order)


@members_only
@require_http_methods(["GET", "HEAD", "POST"])
def meeting(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """One touchpoint: when, who, its briefs, notes and follow-ups; a POST writes a note."""
    people = Prefetch("people", Person.objects.select_related("organization").prefetch_related("addresses"))
    touchpoint = get_object_or_404(
        Touchpoint.objects.select_related("company").prefetch_related(people, "users"), pk=pk
    )
    form = NoteForm(request.POST if request.method == "POST" else None, initial={"token": uuid.uuid4()})
    if request.method == "POST" and form.is_valid():
        notes.write(touchpoint, _member(request), **form.cleaned_data)
        messages.success(request, "Note saved.")
        return redirect(f"{request.path}#notes")
    made = list(touchpoint.briefs.order_by("-version")[:BRIEFS_SHOWN])
    shown = next(
        (brief for brief in made if str(brief.version) == request.GET.get("version")), made[0] if made else None
    )
    context = {
        "touchpoint": touchpoint,
        "join_url": _join_url(touchpoint),
        "unknown": _unknown_guests(touchpoint),
        "brief": shown,
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


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def profile(request: HttpRequest) -> HttpResponse:
    """What somebody is called, and the time zone in which pages show times to them."""
    user = _member(request)
    form = ProfileForm(request.POST or None, initial={"name": user.name, "time_zone": user.time_zone})
    if request.method == "POST" and form.is_valid():
        User.objects.filter(pk=user.pk).update(**form.cleaned_data)
        zone = form.cleaned_data["time_zone"]
        clock = timezone.localtime(timezone=zoneinfo.ZoneInfo(zone))
        messages.success(request, f"Saved. It is now {clock:%H:%M} in {zone}.")
        return redirect("relationships:profile")
    context = {"form": form, "zones": time_zones()}
    return render(request, "relationships/profile.html", context, status=400 if form.errors else 200)


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
