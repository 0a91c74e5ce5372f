"""Who may come in."""

import uuid
from collections.abc import Callable
from functools import wraps

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from relationships.models import User

MemberView = Callable[..., HttpResponse]


def members_only(view: MemberView) -> MemberView:
    """Visitors sign in first; staff, who belong to no company, are shown the way to the admin."""

    @login_required
    @wraps(view)
    def guarded(request: HttpRequest, **kwargs: uuid.UUID) -> HttpResponse:
        if member_of(request).company_id is None:
            return render(request, "relationships/no_company.html")
        return view(request, **kwargs)

    return guarded


def member_of(request: HttpRequest) -> User:
    """Who is signed in."""
    assert isinstance(request.user, User)
    return request.user
