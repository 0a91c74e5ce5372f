"""Puts the CRM among the kinds of resource that are kept in step, for the floor below, which has never heard of it."""

from dataclasses import replace

from django.db.models import Exists, OuterRef

from crm import imported, record_pages, sync
from crm.errors import CAUSES
from crm.intake import SKIPPED
from crm.models import RecordLink
from integrations import jobs, kinds
from relationships import elsewhere, passed_on

KIND = replace(
    kinds.KINDS["crm"],
    words={
        **kinds.KINDS["crm"].words,
        "kept": "Firms, people and notes stay as they are, here and in the CRM; changes on either side stay there.",
        "deleted": "What connects our rows with the CRM's records is deleted, with the journal of what was written and "
        "what gave way. Firms, people and notes stay, here and in the CRM.",
    },
    skipped={**kinds.KINDS["crm"].skipped, **SKIPPED, **{name: cause.title for name, cause in CAUSES.items()}},
    counts=imported.counts,
    delete_batch=imported.delete_batch,
)


def _told() -> Exists:
    """The touchpoints that a CRM has a record of."""
    links = RecordLink.objects.filter(kind__in=["meeting", "email"], row_id=OuterRef("pk"), deleted_at=None)
    return Exists(links.exclude(external_id=""))


def register() -> None:
    """Called once, when all apps are there."""
    passed_on.TELLERS.append(_told)
    elsewhere.FINDERS.append(record_pages.find)
    kinds.KINDS["crm"] = KIND
    jobs.SYNCS["crm"] = sync.run
