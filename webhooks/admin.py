"""What staff see of the inbox: deliveries, why some failed, and replays. Nothing here is edited by hand."""

import json
import uuid
from collections import Counter
from typing import Any, cast

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Count, Model, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.text import Truncator

from relationships.models import User
from webhooks import failures, replay
from webhooks.admin_bulk_replays import BulkReplayAdmin
from webhooks.admin_filters import (
    CauseFilter,
    DeliveryCauseFilter,
    ProviderFilter,
    ResolvedFilter,
    TypeFilter,
    open_causes,
)
from webhooks.models import Delivery, WebhookFailure

__all__ = ["BulkReplayAdmin", "DeliveryAdmin", "WebhookFailureAdmin"]

MOST_REASON = 500
MOST_OF_WORDS = 120
"""Characters of an error that a list shows; a page shows all of it."""


class InboxAdmin(admin.ModelAdmin):
    """What both lists share: no editing, a page of our own per row, and replays that show their plan first."""

    list_per_page = 50
    show_full_result_count = False
    actions = ["replay_selected"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def get_model_perms(self, request: HttpRequest) -> dict[str, bool]:
        """The index offers to view, since the permission to change is here the one to replay."""
        return {**super().get_model_perms(request), "change": False}

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    @admin.display(description="what", ordering="webhook_type")
    def what(self, row: Delivery | WebhookFailure) -> str:
        """Who sent it, and the type that its address names."""
        return f"{row.provider} {row.webhook_type}"

    def delivery_of(self, pk: str) -> Delivery:
        """The delivery a row's page is about. Raises Http404."""
        raise NotImplementedError

    def deliveries_of(self, rows: QuerySet[Any]) -> QuerySet[Delivery]:
        """The deliveries that selected rows are about."""
        raise NotImplementedError

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """One delivery: what was sent, what was tried, and the way to try again."""
        if request.method != "GET":
            return HttpResponseNotAllowed(["GET"])
        if not self.has_view_or_change_permission(request):
            raise PermissionDenied
        delivery = self.delivery_of(object_id)
        payload = failures.payload_of(delivery)
        context = {
            **self.admin_site.each_context(request),
            "title": f"{delivery} UTC",
            "opts": self.opts,
            "delivery": delivery,
            "headers": payload["headers"],
            "body": json.dumps(payload["body"], indent=2, ensure_ascii=False) if payload["body"] is not None else "",
            "tries": delivery.tries.select_related("asked_by"),
            "failures": delivery.failures.all(),
            "same_request": _count_of_request(delivery),
            "can_replay": self.has_change_permission(request) and delivery.status in replay.ENDED,
        }
        return TemplateResponse(request, "admin/webhooks/delivery.html", context)

    @admin.action(description="Replay… (shows the plan first)", permissions=["change"])
    def replay_selected(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse:
        """The plan of a replay of the selected rows; with the confirmation, it begins and its own page follows."""
        deliveries = self.deliveries_of(queryset)
        include_done = request.POST.get("include_done") == "yes"
        context: dict[str, Any] = {**self.admin_site.each_context(request), "opts": self.opts}
        if request.POST.get("confirmed") == "yes":
            reason = request.POST.get("reason", "").strip()[:MOST_REASON]
            if reason:
                result = replay.run(deliveries, cast(User, request.user), reason, include_done)
                return redirect("admin:webhooks_bulkreplay_change", result.bulk.pk)
            context["reason_missing"] = True
        context |= {
            "title": "Replay: plan",
            "plan": replay.plan(deliveries, include_done),
            "include_done": include_done,
            "selected": request.POST.getlist("_selected_action"),
            "select_across": request.POST.get("select_across", "0"),
        }
        return TemplateResponse(request, "admin/webhooks/replay_plan.html", context)


@admin.register(Delivery)
class DeliveryAdmin(InboxAdmin):
    """Every accepted request, newest first."""

    list_display = ["received_at", "what", "status", "why", "company"]
    list_filter = [
        "status",
        ProviderFilter,
        TypeFilter,
        DeliveryCauseFilter,
        "received_at",
        ("company", admin.RelatedOnlyFieldListFilter),
    ]
    list_select_related = ["company"]
    search_fields = ["channel_id", "dedupe_key", "error"]
    search_help_text = "Channel, message key or error"
    change_list_template = "admin/webhooks/delivery_list.html"
    ordering = ["-received_at"]

    @admin.display(description="why", ordering="error")
    def why(self, delivery: Delivery) -> str:
        return Truncator(delivery.error).chars(MOST_OF_WORDS)

    def delivery_of(self, pk: str) -> Delivery:
        return _get(Delivery.objects.select_related("company", "sync_state__integration"), pk)

    def deliveries_of(self, rows: QuerySet[Any]) -> QuerySet[Delivery]:
        return rows

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.replay_view)
        return [path("<uuid:pk>/replay/", view, name="webhooks_delivery_replay"), *super().get_urls()]

    def replay_view(self, request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
        """GET says what a replay does; POST, with a reason, does it."""
        if not self.has_change_permission(request):
            raise PermissionDenied
        delivery = self.delivery_of(str(pk))
        reason = request.POST.get("reason", "").strip()[:MOST_REASON]
        if request.method == "POST" and reason:
            if replay.replay(delivery, cast(User, request.user), reason):
                messages.success(request, "Asked again: the worker tries it now. Reload this page to see how it ends.")
            else:
                messages.warning(request, "It is under way already; nothing was changed.")
            return redirect("admin:webhooks_delivery_change", pk)
        context = {
            **self.admin_site.each_context(request),
            "title": "Replay this delivery",
            "opts": self.opts,
            "delivery": delivery,
            "can_replay": delivery.status in replay.ENDED,
            "reason_missing": request.method == "POST",
        }
        return TemplateResponse(request, "admin/webhooks/replay_one.html", context)

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """The list, with the number of deliveries in each status that any has above it."""
        counted = Counter(dict(Delivery.objects.order_by().values_list("status").annotate(Count("pk"))))
        counts = [(status, counted[status.value]) for status in Delivery.Status if counted[status.value]]
        return super().changelist_view(request, {**(extra_context or {}), "counts": counts, "total": counted.total()})


@admin.register(WebhookFailure)
class WebhookFailureAdmin(InboxAdmin):
    """What was given up and still waits for somebody, by cause."""

    list_display = ["created_at", "what", "why", "state", "company"]
    list_filter = [
        ResolvedFilter,
        CauseFilter,
        ProviderFilter,
        TypeFilter,
        "created_at",
        ("company", admin.RelatedOnlyFieldListFilter),
    ]
    list_select_related = ["company"]
    search_fields = ["error", "delivery__channel_id", "delivery__dedupe_key"]
    search_help_text = "Error, channel or message key"
    change_list_template = "admin/webhooks/failure_list.html"
    ordering = ["-created_at"]

    @admin.display(description="state", ordering="resolved")
    def state(self, failure: WebhookFailure) -> str:
        return failure.resolution or "Resolved" if failure.resolved else "Open"

    @admin.display(description="cause", ordering="fingerprint")
    def why(self, failure: WebhookFailure) -> str:
        return Truncator(failure.error or "").chars(MOST_OF_WORDS)

    def delivery_of(self, pk: str) -> Delivery:
        related = "delivery__company", "delivery__sync_state__integration"
        return _get(WebhookFailure.objects.select_related(*related), pk).delivery

    def deliveries_of(self, rows: QuerySet[Any]) -> QuerySet[Delivery]:
        return Delivery.objects.filter(pk__in=rows.order_by().values("delivery"))

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """The list, with the commonest causes above it."""
        return super().changelist_view(request, {**(extra_context or {}), "causes": open_causes()})


def _count_of_request(delivery: Delivery) -> int:
    """How many deliveries one request became; 0 where it names the one channel that it is for."""
    return Delivery.objects.filter(request_key=delivery.request_key).count() if delivery.request_key else 0


def _get(rows: QuerySet[Any], pk: str) -> Any:
    try:
        return rows.get(pk=uuid.UUID(pk))
    except (ValueError, rows.model.DoesNotExist) as error:
        raise Http404 from error
