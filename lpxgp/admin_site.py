"""The admin of the staff: entered by the one sign-in page, with third parties' tables hidden or read-only."""

from collections.abc import Callable, Iterable
from datetime import UTC
from functools import wraps
from typing import Any, cast

from allauth.account.decorators import secure_admin_login
from django.contrib.admin import AdminSite, ModelAdmin
from django.contrib.admin.options import TO_FIELD_VAR
from django.core.exceptions import BadRequest
from django.db.models import Model
from django.db.models.base import ModelBase
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone

from lpxgp import admin_overview

# Credentials, and queue rows that only the queue may write.
HIDDEN = {
    "account.emailaddress",
    "account.emailconfirmation",
    "django_q.ormq",
    "django_q.success",
    "mfa.authenticator",
    "socialaccount.socialapp",
    "socialaccount.socialtoken",
}
# Useful to look at; ensure_schedules writes the schedules, people connect their own accounts.
READ_ONLY = {
    "django_q.failure": ["id", "func", "started", "stopped", "attempt_count"],
    "django_q.schedule": ["name", "func", "schedule_type", "cron", "next_run"],
    "socialaccount.socialaccount": ["user", "provider", "last_login", "date_joined"],
    "usersessions.usersession": ["user", "created_at", "last_seen_at", "ip"],
}

# What staff come for stands first.
APP_ORDER = ("webhooks", "integrations", "crm", "calendar", "relationships")
# Our own bookkeeping: shown under its address, and in no list of what there is.
NOT_LISTED = {"ContactsLook", "Heartbeat", "LinkAttempt"}

LONGEST_SEARCH = 1000
"""Characters; SQLite refuses patterns of 50,000."""

AdminView = Callable[..., HttpResponse]


class ReadOnlyAdmin(ModelAdmin):
    """Shows the columns of ``READ_ONLY`` and changes nothing."""

    list_display_links = None
    actions = None
    show_full_result_count = False

    def get_list_display(self, request: HttpRequest) -> list[str]:  # type: ignore[override]
        return READ_ONLY[self.opts.label_lower]

    def get_list_select_related(self, request: HttpRequest) -> bool:
        return "user" in READ_ONLY[self.opts.label_lower]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


class Site(AdminSite):
    """Django's admin with our name, our sign-in, and a say in what others register."""

    site_header = "LPxGP Integrations"
    site_title = "LPxGP staff"
    index_title = "Staff"
    enable_nav_sidebar = True

    def index(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> TemplateResponse:
        """What there is, with how it runs above it."""
        return super().index(request, {**(extra_context or {}), "overview": admin_overview.lines(request)})

    def get_app_list(self, request: HttpRequest, app_label: str | None = None) -> list[Any]:
        """The tables by app: ours first, in the order staff need them."""
        apps = super().get_app_list(request, app_label)
        for app in apps:
            app["models"] = [model for model in app["models"] if model["object_name"] not in NOT_LISTED]
        apps.sort(
            key=lambda app: APP_ORDER.index(app["app_label"]) if app["app_label"] in APP_ORDER else len(APP_ORDER)
        )
        return [app for app in apps if app["models"]]

    def register(
        self,
        model_or_iterable: type[Model] | Iterable[type[Model]],
        admin_class: type[ModelAdmin] | None = None,
        **options: Any,
    ) -> None:
        models = [model_or_iterable] if isinstance(model_or_iterable, ModelBase) else list(model_or_iterable)
        for model in models:
            if model._meta.label_lower in READ_ONLY:
                super().register(model, ReadOnlyAdmin)
            elif model._meta.label_lower not in HIDDEN:
                super().register(model, admin_class, **options)

    def admin_view(self, view: AdminView, cacheable: bool = False) -> AdminView:  # type: ignore[override]
        """Times in UTC, as in the logs; and 400 to parameters that Django's admin takes as they are and fails on."""

        @wraps(view)
        def checked(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            if any(given.get(TO_FIELD_VAR) == "" for given in (request.GET, request.POST)):
                raise BadRequest("No field is named.")
            if any(len(request.GET.get(name, "")) > LONGEST_SEARCH for name in ("q", "term")):
                raise BadRequest("Search for less.")
            # For the rest of this request: lpxgp.middleware.UserTimeZone puts back what was before.
            timezone.activate(UTC)
            return view(request, *args, **kwargs)

        return cast(AdminView, super().admin_view(checked, cacheable))

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """To allauth's page, with its rate limits and second factor: Django's own has neither."""
        return cast(HttpResponse, secure_admin_login(super().login)(request, extra_context))
