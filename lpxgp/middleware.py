"""What every request passes: its log line, security headers, session limits, and the company whose rows it may see.

Pages of people need a session; the addresses of machines (webhooks, health, static files) never touch one, so that a
flood of pushes costs no query here. A streamed response is produced after all of this has ended: make its rows first.
"""

import re
import time
import uuid
import zoneinfo
from collections.abc import Callable
from datetime import UTC, tzinfo

import structlog
from allauth.mfa.utils import is_mfa_enabled
from django.conf import settings
from django.contrib import messages
from django.contrib.auth import logout
from django.core.exceptions import BadRequest
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone

from lpxgp import health
from relationships import tenancy
from relationships.models import User

GetResponse = Callable[[HttpRequest], HttpResponse]

MACHINE_PATH = re.compile(r"/(webhooks/|static/|livez$|readyz$)")
PROBES = {"/livez": health.live, "/readyz": health.ready}
ADMIN_PATH = "/admin/"
ACCOUNTS_PATH = "/accounts/"

PERMISSIONS_POLICY = "camera=(), geolocation=(), microphone=(), payment=(), usb=(), browsing-topics=()"

log = structlog.get_logger("lpxgp.request")


def _person(request: HttpRequest) -> User | None:
    """Who is signed in; None for visitors, and for machines' addresses without looking at the session."""
    if MACHINE_PATH.match(request.path) or not request.user.is_authenticated:
        return None
    return request.user


class RequestLog:
    """One line per request, without its query string (which may hold codes and secrets), and an id to find it by."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        started = time.perf_counter()
        request_id = uuid.uuid4().hex
        with structlog.contextvars.bound_contextvars(request_id=request_id, user_id=None, company_id=None):
            response = self.get_response(request)
            log.info(
                "request",
                method=request.method,
                path=request.path,
                status=response.status_code,
                milliseconds=round((time.perf_counter() - started) * 1000, 1),
            )
        response.headers["X-Request-ID"] = request_id
        return response


class SecurityHeaders:
    """Headers that Django and django-csp do not set. What was made from a session is never stored by a browser."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        response.headers["Permissions-Policy"] = PERMISSIONS_POLICY
        response.headers["Cross-Origin-Resource-Policy"] = "same-origin"
        session = getattr(request, "session", None)  # probes are answered before there is one
        if session is not None and session.accessed and "no-store" not in response.headers.get("Cache-Control", ""):
            response.headers["Cache-Control"] = "no-store"
        return response


class Probes:
    """Answers /livez and /readyz before hosts are checked: orchestrators call by address, not by one of our names."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        probe = PROBES.get(request.path)
        return probe(request) if probe else self.get_response(request)


class NoNul:
    """Answers 400 where text that every page may use holds NUL, which no browser sends and PostgreSQL refuses.

    Before there is a session: its cookie is the first text that the database is asked for, and the browser's name is
    stored with it. Forms see to their own.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        texts = (request.path_info, request.META.get("HTTP_USER_AGENT", ""), *request.COOKIES.values())
        if "%00" in request.META.get("QUERY_STRING", "") or any("\0" in text for text in texts):
            raise BadRequest("NUL is no text.")
        return self.get_response(request)


class SessionLimits:
    """Signs out who was idle, or signed in, for longer than settings.SESSION_LIMITS allows (seconds)."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        user = _person(request)
        if user is not None:
            idle, absolute = settings.SESSION_LIMITS["staff" if user.is_staff else "member"]
            now = int(time.time())
            began_at = request.session.setdefault("began_at", now)
            seen_at = request.session.setdefault("seen_at", now)
            if now - seen_at > idle or now - began_at > absolute:
                logout(request)
                messages.info(request, "You were signed out because this session was old. Sign in to go on.")
            elif now - seen_at >= 60:  # once a minute is exact enough, and saves a write per request
                request.session["seen_at"] = now
        return self.get_response(request)


class Tenancy:
    """Members see their company's rows alone, staff every company's under /admin/, everybody else none: fail closed."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        user = _person(request)
        if user is None:
            return self.get_response(request)
        structlog.contextvars.bind_contextvars(
            user_id=str(user.pk), company_id=str(user.company_id) if user.company_id else None
        )
        if user.company_id is not None:
            with tenancy.within(user.company_id):
                return self.get_response(request)
        if user.is_staff and request.path.startswith(ADMIN_PATH):
            with tenancy.every_company():
                return self.get_response(request)
        return self.get_response(request)


class AdminForStaff:
    """To a signed-in member the admin does not exist; a visitor is sent to the one sign-in page."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.path.startswith(ADMIN_PATH):
            user = _person(request)
            if user is not None and not user.is_staff:
                raise Http404
        return self.get_response(request)


class StaffNeedMfa:
    """Where settings.STAFF_NEED_MFA: staff without a second factor see nothing but the accounts pages."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if settings.STAFF_NEED_MFA and not request.path.startswith(ACCOUNTS_PATH):
            user = _person(request)
            if user is not None and user.is_staff and not is_mfa_enabled(user):
                messages.warning(
                    request,
                    "Staff accounts can see every company, so they need a second factor. "
                    "Set up an authenticator app to go on.",
                )
                return redirect("mfa_activate_totp")
        return self.get_response(request)


class UserTimeZone:
    """Times on pages are in the member's own zone."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        user = _person(request)
        with timezone.override(_zone(user.time_zone) if user is not None else UTC):
            return self.get_response(request)


def _zone(name: str) -> tzinfo:
    """The zone; UTC where this machine's database does not know it, which must not cost the member every page."""
    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError):
        return UTC
