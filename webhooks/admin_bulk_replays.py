"""Replays of many deliveries, as staff see them: how far each is, and the way to stop it."""

import uuid
from typing import Any, cast

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Model
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path

from relationships.models import User
from webhooks import replay
from webhooks.models import BulkReplay


@admin.register(BulkReplay)
class BulkReplayAdmin(admin.ModelAdmin):
    """Seen and stopped by whoever may begin one."""

    list_per_page = 50
    show_full_result_count = False
    list_display = ["began_at", "asked_by", "reason", "stopped_at", "stopped_by"]
    list_select_related = ["asked_by", "stopped_by"]
    search_fields = ["reason", "asked_by__email"]
    ordering = ["-began_at"]

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return _may_replay(request)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.stop_view)
        return [path("<uuid:pk>/stop/", view, name="webhooks_bulkreplay_stop"), *super().get_urls()]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """How far one is, and the button that stops it."""
        if request.method != "GET":
            return HttpResponseNotAllowed(["GET"])
        if not _may_replay(request):
            raise PermissionDenied
        bulk = _get(object_id)
        context = {
            **self.admin_site.each_context(request),
            "title": f"{bulk} UTC",
            "opts": self.opts,
            "bulk": bulk,
            "progress": replay.progress(bulk),
        }
        return TemplateResponse(request, "admin/webhooks/bulk_replay.html", context)

    def stop_view(self, request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
        """Take back what has not begun, and say how many that were."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        if not _may_replay(request):
            raise PermissionDenied
        count = replay.stop(_get(str(pk)), cast(User, request.user))
        if count:
            messages.success(request, f"Stopped: {count:,} had not begun and are what they were before.")
        else:
            messages.warning(request, "There was nothing left to stop: all of it has begun.")
        return redirect("admin:webhooks_bulkreplay_change", pk)


def _may_replay(request: HttpRequest) -> bool:
    return any(request.user.has_perm(f"webhooks.change_{model}") for model in ("delivery", "webhookfailure"))


def _get(pk: str) -> BulkReplay:
    try:
        return BulkReplay.objects.select_related("asked_by", "stopped_by").get(pk=uuid.UUID(pk))
    except (ValueError, BulkReplay.DoesNotExist) as error:
        raise Http404 from error
