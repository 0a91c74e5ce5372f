"""The firm's contacts, and what happened with each."""

import uuid
from typing import Any

from django.core.paginator import Paginator
from django.db.models import Exists, F, OuterRef, Q, QuerySet, Subquery
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.utils.cache import patch_vary_headers
from django.views.decorators.http import require_GET

from relationships import conversations, elsewhere, owed
from relationships.forms import SearchForm
from relationships.models import Note, Person, PersonAddress, Task, Touchpoint, User
from relationships.tenancy import current_company_id
from relationships.views.guards import member_of, members_only

PEOPLE_PER_PAGE = 50
HISTORY_PER_PAGE = 25
SEARCH_WORDS = 5


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
    """One contact: facts, the firm's matches, and one of timeline, notes and tasks, by pages.

    With ``as``, the id of a colleague: what that colleague sees of it, read-only, as far as the member may see it too.
    """
    member, now = member_of(request), timezone.now()
    contact = get_object_or_404(
        Person.objects.select_related("organization", "assistant_of").prefetch_related("addresses", "assistants"), pk=pk
    )
    colleagues = User.objects.filter(company_id=current_company_id(), is_active=True).exclude(pk=member.pk)
    colleague = _chosen(colleagues, request.GET.get("as", ""))
    lists: dict[str, QuerySet[Any]] = {
        "timeline": _timeline(contact),
        "notes": _notes(contact),
        "tasks": _tasks(contact),
    }
    shown = request.GET.get("show", "timeline")
    shown = shown if shown in lists else "timeline"
    page = Paginator(lists[shown], HISTORY_PER_PAGE).get_page(request.GET.get("page"))
    readers = [member, colleague] if colleague else [member]
    debts = owed.with_person(owed.due(member, now), contact)
    there = elsewhere.pages([pk for pk in (contact.pk, contact.organization_id) if pk])
    return render(
        request,
        "relationships/person.html",
        {
            "person": contact,
            "shown": shown,
            "counts": {name: rows.count() for name, rows in lists.items()},
            "page": page,
            "entries": conversations.group(page, readers) if shown == "timeline" else [],
            "readers": readers,
            "colleague": colleague,
            "colleagues": colleagues,
            # Who owes the member an answer is the member's alone, and so not what a colleague sees.
            "debts": [] if colleague else owed.in_words_for(member, debts, now),
            "matches": contact.organization.matches.select_related("fund")[:10] if contact.organization else [],
            "there": there[contact.pk],
            "firm_there": there.get(contact.organization_id, []),
            "now": now,
            "today_on": timezone.localdate(),
        },
    )


def _chosen(colleagues: QuerySet[User], pk: str) -> User | None:
    """The colleague to look as. Raises Http404 for anybody else."""
    if not pk:
        return None
    try:
        return get_object_or_404(colleagues, pk=uuid.UUID(pk))
    except ValueError as error:
        raise Http404 from error


def _timeline(contact: Person) -> QuerySet[Touchpoint]:
    return (
        contact.touchpoints.filter(cancelled_at=None).prefetch_related("users", "people").order_by("-occurred_at", "pk")
    )


def _notes(contact: Person) -> QuerySet[Note]:
    """Notes on the contact, and on meetings the contact was at."""
    about = Q(Exists(Note.people.through.objects.filter(note=OuterRef("pk"), person=contact)))
    at = Q(Exists(Touchpoint.people.through.objects.filter(touchpoint=OuterRef("touchpoint"), person=contact)))
    return (
        Note.objects.filter(about | at)
        .select_related("author", "touchpoint")
        .prefetch_related("touchpoint__users")
        .order_by("-created_at", "pk")
    )


def _tasks(contact: Person) -> QuerySet[Task]:
    """Open ones first, by due date; then the done ones, the latest first."""
    order = (F("done_at").desc(nulls_first=True), F("due_on").asc(nulls_last=True), "created_at")
    return contact.tasks.select_related("assignee").order_by(*order)
