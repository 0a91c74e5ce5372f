"""The draft tried on real records, and the fields of ours that the CRM can be asked to create."""

import uuid
from collections.abc import Sequence

from django.contrib import messages
from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.urls import URLPattern, path
from django.utils import timezone

from crm import connection, defaults, dry_run_file, dry_runs, schema, trial
from crm.admin_mapping_desk import Desk, MappingDesk
from crm.catalogue import KIND_LABELS
from crm.contract import FieldCreated, NewField
from crm.shapes import TYPE_WORDS
from integrations.errors import IntegrationError

RUNS = (20, 50, 100, 200)
"""Records of a dry run, to choose from."""


class TrialPages(MappingDesk):
    """What the draft would do, and what it lacks in the CRM."""

    def trial_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        return [
            path("<uuid:pk>/try/", view(self.try_view), name="crm_mapping_try"),
            path("<uuid:pk>/dry-run/", view(self.dry_run_view), name="crm_mapping_dry_run"),
            path("<uuid:pk>/dry-run/file/", view(self.dry_run_file_view), name="crm_mapping_dry_run_file"),
            path("<uuid:pk>/refresh/", view(self.refresh_view), name="crm_mapping_refresh"),
            path("<uuid:pk>/create-fields/", view(self.create_fields_view), name="crm_mapping_create_fields"),
        ]

    def try_view(self, request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
        """The draft on one record, or on the first one: ours to theirs and back."""
        desk = self.desk(request, pk)
        kinds = trial.kinds_with_lines(desk.rows)
        kind = request.GET.get("kind", kinds[0][0] if kinds else "organization")
        if kind not in KIND_LABELS:
            raise BadRequest("There is no such kind of record.")
        query = request.GET.get("find", "").strip()[:100]
        choices = trial.choices(desk.integration, kind, query)
        row_id = _uuid(request.GET.get("record", "")) or (choices[0].id if choices else None)
        shown = trial.on_record(desk.integration, desk.rows, kind, row_id) if row_id else None
        return self.page(
            request, desk, "try", kinds=kinds, kind=kind, kind_label=KIND_LABELS[kind], find=query, choices=choices,
            record=row_id, trial=shown, runs=RUNS, title=f"Try it: {desk.title}",
        )  # fmt: skip

    def dry_run_view(self, request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
        """The draft on many records, in counts. Posted, since it costs calls of the CRM's allowance."""
        desk = self.desk(request, pk)
        run = _dry_run(request, desk)
        title = f"Dry run: {desk.title}"
        return self.page(
            request,
            desk,
            "dry_run",
            run=run,
            limit=request.POST["limit"],
            kind_label=KIND_LABELS[run.kind],
            title=title,
        )

    def dry_run_file_view(self, request: HttpRequest, pk: uuid.UUID) -> StreamingHttpResponse:
        """The same as a file, field by field. It holds values of records, so the log says who took it."""
        desk = self.desk(request, pk)
        run = _dry_run(request, desk)
        kind = KIND_LABELS[run.kind]
        self.note_change(request, desk, f"Saved a dry run as a file: {kind}, {run.tried} tried, nothing written.")
        name = f"dry-run-{desk.integration.provider}-{run.kind}-{timezone.now():%Y%m%d-%H%M}.csv"
        headers = {"Content-Disposition": f'attachment; filename="{name}"'}
        return StreamingHttpResponse(dry_run_file.lines(run), content_type="text/csv; charset=utf-8", headers=headers)

    def refresh_view(self, request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
        """Read the CRM's field lists now."""
        desk = self.desk(request, pk, is_change=True)
        if self.refresh(request, desk):
            self.note_change(request, desk, "Read the CRM's fields anew.")
            messages.success(request, f"The fields of {desk.label} are read, and the draft is checked against them.")
        return self.back(desk, "fields")

    def create_fields_view(self, request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
        """GET says what would be created in the CRM and what that needs; POST asks the CRM to do it."""
        is_post = request.method == "POST"
        desk = self.desk(request, pk, is_change=is_post)
        wanted, error = missing_fields(desk), ""
        made: Sequence[FieldCreated] = ()
        if is_post and wanted:
            adapter = connection.adapter(desk.integration)
            try:
                made = schema.ask(desk.integration, lambda link: adapter.create_fields(link, wanted))
            except IntegrationError as failed:
                error = str(failed)
            names = ", ".join(f"{each.object}.{each.name}" for each in made if each.is_created)
            self.note_change(request, desk, f"Asked {desk.label} to create fields; created: {names or 'none'}.")
            if self.refresh(request, desk):
                desk = self.desk(request, pk)
        still = [(new, TYPE_WORDS[new.type]) for new in missing_fields(desk)]
        title = f"Create the missing fields: {desk.title}"
        return self.page(
            request, desk, "create_fields", wanted=wanted, made=made, error=error, still=still,
            needs=defaults.of(desk.integration.provider).creating_needs,
            title=title,
        )  # fmt: skip


def missing_fields(desk: Desk) -> list[NewField]:
    """Fields of ours that the CRM's lists, where they were read, do not have."""
    known = desk.crm.schema
    return [new for new in desk.crm.new_fields if new.object in known and new.name not in known[new.object]]


def _dry_run(request: HttpRequest, desk: Desk) -> dry_runs.DryRun:
    """What the form asks for. Raises BadRequest."""
    if request.method != "POST":
        raise BadRequest("A dry run is posted.")
    kind, limit = request.POST.get("kind", ""), request.POST.get("limit", "")
    if kind not in KIND_LABELS or limit not in {str(number) for number in RUNS}:
        raise BadRequest("There is no such dry run.")
    return dry_runs.run(desk.integration, desk.rows, kind, int(limit))


def _uuid(text: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(text)
    except ValueError:
        return None
