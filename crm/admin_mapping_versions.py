"""Drafts that are published, versions that come back, and mappings as files."""

import uuid
from datetime import datetime

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, path
from django.utils import timezone

from crm import checks, drafts, forms, portable
from crm.admin_mapping_desk import Desk, MappingDesk, seen_of, staff
from crm.models import MappingVersion

MOST_NUMBER = 2**31 - 1
"""What the databases take."""


class VersionPages(MappingDesk):
    """Publishing, the list of versions, what differs, and the way back."""

    def version_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        return [
            path("<uuid:pk>/publish/", view(self.publish_view), name="crm_mapping_publish"),
            path("<uuid:pk>/versions/", view(self.versions_view), name="crm_mapping_versions"),
            path("<uuid:pk>/versions/<int:number>/", view(self.version_view), name="crm_mapping_version"),
            path("<uuid:pk>/versions/<int:number>/restore/", view(self.restore_view), name="crm_mapping_restore"),
            path("<uuid:pk>/export/", view(self.export_view), name="crm_mapping_export"),
            path("<uuid:pk>/import/", view(self.import_view), name="crm_mapping_import"),
        ]

    def publish_view(self, request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
        """Publish the draft, checked against the CRM's fields as they are at this moment."""
        desk = self.desk(request, pk, is_change=True)
        form = forms.NoteForm(request.POST)
        if not form.is_valid():
            messages.error(request, "Say in a few words what changes, and why; then publish again.")
            return self.back(desk, "publish")
        self.publish(request, desk, form.cleaned_data["note"], seen_of(request))
        return self.back(desk, "publish")

    def publish(self, request: HttpRequest, desk: Desk, note: str, seen: datetime) -> bool:
        """Publish, and tell what came of it."""
        if self.refresh(request, desk):
            desk = self.desk(request, desk.integration.pk)
        try:
            made = drafts.publish(desk.integration, seen, note, staff(request), desk.crm)
        except drafts.Stale as error:
            messages.error(request, f"{error} Look at the draft as it is now, then publish again.")
            return False
        except drafts.Blocked as error:
            messages.error(request, f"Not published. {error} They are marked below.")
            return False
        except drafts.Unchanged as error:
            messages.warning(request, f"Not published. {error}")
            return False
        self.note_change(request, desk, f"Published version {made.number}: {note}")
        words = f"Version {made.number} is published. All linked records are compared again, beginning now."
        messages.success(request, words)
        return True

    def versions_view(self, request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
        """Every version, and what staff did."""
        desk = self.desk(request, pk)
        found = list(drafts.versions_of(desk.integration.company_id, desk.integration.provider)[:200])
        older = {version.number: drafts.rows_of(version) for version in found}
        rows = [
            (version, len(drafts.differences(older.get((version.number or 0) - 1, []), drafts.rows_of(version))))
            for version in found
        ]
        title = f"Versions: {desk.title}"
        return self.page(request, desk, "versions", rows=rows, log=self.told(request, desk), title=title)

    def version_view(self, request: HttpRequest, pk: uuid.UUID, number: int) -> HttpResponse:
        """One version, against the draft or against what is published."""
        desk = self.desk(request, pk)
        version = _version(desk, number)
        against = "published" if request.GET.get("against") == "published" else "draft"
        other = desk.published if against == "published" else desk.rows
        return self.page(
            request,
            desk,
            "version",
            version=version,
            against=against,
            changed=drafts.differences(other, drafts.rows_of(version)),
            is_all_there=drafts.rows_of(version) == desk.rows == desk.published,
            problems=checks.problems(drafts.rows_of(version), desk.crm),
            title=f"Version {version.number}: {desk.title}",
        )

    def restore_view(self, request: HttpRequest, pk: uuid.UUID, number: int) -> HttpResponse:
        """Put a version into the draft; publish it right away where that is asked."""
        desk = self.desk(request, pk, is_change=True)
        version = _version(desk, number)
        try:
            draft = drafts.restore(version, desk.draft, seen_of(request), staff(request))
        except drafts.Stale as error:
            messages.error(request, str(error))
            return redirect("admin:crm_mapping_version", pk, number)
        self.note_change(request, desk, f"Put version {number} into the draft.")
        if request.POST.get("do") != "publish":
            messages.success(request, f"The draft is now as version {number} was. Publish it to make it count.")
            return self.back(desk)
        note = request.POST.get("note", "").strip()[:500] or f"Back to version {number}"
        self.publish(request, self.desk(request, pk), note, draft.changed_at)
        return self.back(desk, "publish")

    def export_view(self, request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
        """The draft, or a version, as a file."""
        desk = self.desk(request, pk)
        number = request.GET.get("version", "")
        version = _version(desk, int(number)) if number.isascii() and number.isdigit() and len(number) < 9 else None
        lines = drafts.rows_of(version) if version else desk.rows
        title = f"{desk.title}, {version or 'draft'}"
        text = portable.export_json(desk.integration.provider, lines, title, timezone.now())
        name = f"mapping-{desk.integration.provider}-{f'version-{version.number}' if version else 'draft'}.json"
        headers = {"Content-Disposition": f'attachment; filename="{name}"'}
        return HttpResponse(text, content_type="application/json; charset=utf-8", headers=headers)

    def import_view(self, request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
        """Replace the draft by a file's lines: all of them, or none where one cannot be used."""
        if request.method != "POST":
            return self._import_page(request, self.desk(request, pk), [])
        desk = self.desk(request, pk, is_change=True)
        form = forms.FileForm(request.POST, request.FILES)
        if not form.is_valid():
            return self._import_page(request, desk, [str(words[0]) for words in form.errors.values()])
        try:
            lines = portable.import_json(form.cleaned_data["file"].read(), desk.integration.provider)
        except portable.ImportRefused as error:
            return self._import_page(request, desk, error.reasons)
        lines = [drafts.with_object(row, desk.crm) for row in lines]
        try:
            drafts.save(desk.draft, seen_of(request), lines, staff(request))
        except drafts.Stale as error:
            return self._import_page(request, self.desk(request, pk), [str(error)])
        self.note_change(request, desk, f"Replaced the draft by a file of {len(lines)} lines.")
        errors = len(checks.errors(checks.problems(lines, desk.crm)))
        words = f"The draft has the file's {len(lines)} lines. "
        messages.success(request, words + (f"{errors} to correct before publishing." if errors else "None has errors."))
        return self.back(desk, "lines")

    def _import_page(self, request: HttpRequest, desk: Desk, reasons: list[str]) -> HttpResponse:
        status = 400 if reasons else 200
        title = f"Bring in a file: {desk.title}"
        return self.page(request, desk, "import", reasons=reasons, status=status, title=title)


def _version(desk: Desk, number: int) -> MappingVersion:
    if number > MOST_NUMBER:
        raise Http404
    found = drafts.versions_of(desk.integration.company_id, desk.integration.provider).filter(number=number).first()
    if found is None:
        raise Http404
    return found
