"""The members' pages over the domain."""

import uuid

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render


@login_required
def today(request: HttpRequest) -> HttpResponse:
    """The next meetings, notes that wait to be written, the latest touchpoints."""
    return render(request, "relationships/today.html")


@login_required
def people(request: HttpRequest) -> HttpResponse:
    """The firm's contacts, searched and paged."""
    return render(request, "relationships/people.html")


@login_required
def person(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """One contact."""
    return render(request, "relationships/person.html")


@login_required
def meeting(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """One touchpoint."""
    return render(request, "relationships/meeting.html")
