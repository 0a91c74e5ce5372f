"""Whose values are not kept here any more: what became private or hidden, was deleted here, or in the CRM for privacy.

What the CRM itself still holds of it is for push.py to take back, as far as it was told by us. May run any number of
times. Needs ``tenancy.within`` the company.
"""

import json
import uuid
from collections import defaultdict
from collections.abc import Collection, Sequence
from datetime import datetime
from functools import reduce
from operator import or_
from typing import Any

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet, TextField, Value
from django.db.models.functions import Cast, Coalesce
from django.utils import timezone

from crm import deletes, erasing, ledger, link_errors, rows
from crm.models import Conflict, RecordLink, Twin, Write
from integrations import runs
from integrations.contract import FORGET
from integrations.models import Integration, PokedItem, SetAside
from relationships import blocking
from relationships.models import BlockRule, Note, OrganizationDomain, Touchpoint

WITHHELD = "It became private, or a block rule hides it."
UNMARKED = "The note is not sent to the CRM any more."
UNTOLD = "A note on it is not sent to the CRM any more."
KEPT_OUT = "A block rule of the firm keeps them out."
NAMED = "Somebody who had part in it was deleted here, or in the CRM for privacy."
ENDED = (deletes.GONE, deletes.FORGOTTEN)
TWIN = "They looked alike. How was removed."
ACTIVITIES = ("meeting", "email", "task", "note")
NAMING = ("meeting", "email")
"""Activities whose texts we put together ourselves, with the names of who took part."""
NAMES = 50
"""So many ids are looked for at once."""


def follow(held: runs.Held) -> None:
    """What a sync begins with. Raises HoldLost."""
    _follow_privacy(held)
    sweep(held.state.integration, held.state.last_success_at)


def sweep(integration: Integration, since: datetime | None = None) -> None:
    """Empty what is kept here of all that was taken back. Of block rules on people and firms only new ones are asked
    after, where ``since`` is given: they are asked after each night besides."""
    with transaction.atomic():
        _withheld(integration)
        is_any = _ended(integration)
        if is_any or since is None:
            _forget_likeness(integration)
        _unmarked(integration)
        rules = BlockRule.objects.filter(user=None)
        if (rules.filter(created_at__gt=since) if since else rules).exists():
            _kept_out(integration)


def without_a_note(integration: Integration, link_ids: Collection[uuid.UUID]) -> None:
    """Empty what is kept of meetings that were told with a note that is told no more."""
    erasing.history(integration, link_ids, UNTOLD)


def withhold(integration: Integration, links: Collection[RecordLink]) -> None:
    """Empty what is kept of these, whose rows may not be told openly any more: no write of theirs may be unsure."""
    if not links:
        return
    ids = [link.pk for link in links]
    with transaction.atomic():
        erasing.history(integration, ids, WITHHELD)
        erasing.shadows(links)
        RecordLink.objects.filter(pk__among=ids).update(is_withheld=True)
    for link in links:
        link.is_withheld = True


def opened(link_ids: Collection[uuid.UUID]) -> None:
    """What these rows were is told from now on, and is emptied once it may not be any more."""
    RecordLink.objects.filter(pk__among=link_ids).update(is_withheld=False)


def _withheld(integration: Integration) -> None:
    """Touchpoints, once each time they cease to be open: what is written after that is no more than may be told."""
    rows = Touchpoint.objects.filter(Q(is_withheld=True) | Q(is_private=True), pk=OuterRef("row_id"))
    links = RecordLink.objects.filter(integration=integration, kind__in=["meeting", "email"])
    unsure = Write.objects.filter(link=OuterRef("pk"), state__in=ledger.UNSURE)
    found = list(links.filter(Exists(rows), ~Exists(unsure), is_withheld=False))
    withhold(integration, found)
    links.filter(~Exists(rows), is_withheld=True).update(is_withheld=False)


def _ended(integration: Integration) -> bool:
    """Links whose row was deleted here, or whose record was for privacy; of people also what names them. Returns
    whether there were any."""
    ended = RecordLink.objects.filter(integration=integration, reason__in=ENDED)
    _forget_reasons(integration, ended)
    left = list(ended.filter(~Q(shadow={}) | _has_history()).values_list("pk", "kind", "external_id", "reason"))
    for reason in ENDED:
        erasing.history(integration, [pk for pk, _, _, why in left if why == reason], reason)
        people = [name for _, kind, name, why in left if kind == "person" and name and why == reason]
        later = _unname(integration, people, is_row_gone=reason == deletes.GONE)
        ids = [pk for pk, _, name, why in left if why == reason and name not in later]
        RecordLink.objects.filter(pk__among=ids).update(shadow={}, error_code="")
    names = [external_id for _, _, external_id, _ in left if external_id]
    for start in range(0, len(names), NAMES):
        twins = _naming(Twin.objects.filter(integration=integration), "theirs", names[start : start + NAMES])
        Twin.objects.filter(pk__in=list(twins.values_list("pk", flat=True))).update(reason=TWIN)
    return bool(left)


def _forget_likeness(integration: Integration) -> None:
    """Why rows of ours looked alike is said with their addresses: it goes with any of them, of merged ones with the
    last. Five queries at most."""
    told = Twin.objects.filter(integration=integration).exclude(ours=[]).exclude(reason=TWIN)
    found = list(told.values_list("pk", "kind", "state", "ours"))
    for kind in {kind for _, kind, _, _ in found}:
        ids = {uuid.UUID(row) for _, of, _, ours in found if of == kind for row in ours}
        living = {str(pk) for pk in rows.stamps(kind, ids)}
        gone = [
            pk
            for pk, of, state, ours in found
            if of == kind and not (living.intersection(ours) if state == Twin.State.MERGED else living.issuperset(ours))
        ]
        Twin.objects.filter(pk__among=gone).update(reason=TWIN)


def _unname(integration: Integration, people: Sequence[str], is_row_gone: bool) -> set[str]:
    """Empty what is kept of activities with these people, by their ids there; returns whom to ask after again, since it
    is not known yet what became of a write.

    Where their rows are gone the texts of meetings and mail do not name them any more, and are told anew.
    """
    unsure, later = Exists(Write.objects.filter(link=OuterRef("pk"), state__in=ledger.UNSURE)), set[str]()
    for start in range(0, len(people), NAMES):
        some = people[start : start + NAMES]
        activities = RecordLink.objects.filter(integration=integration, kind__in=ACTIVITIES)
        activities = _naming(activities, "related", some).order_by()
        erasing.history(integration, activities.values_list("pk", flat=True), NAMED)
        if activities.filter(unsure).exists():
            later.update(some)
        if is_row_gone:
            texts = list(activities.filter(~unsure, kind__in=NAMING))
            erasing.shadows(texts)
            told = RecordLink.objects.filter(pk__among=[link.pk for link in texts], state=RecordLink.State.LINKED)
            told.update(is_due=True)
    return later


def _forget_reasons(integration: Integration, ended: QuerySet[RecordLink]) -> None:
    """Why some of these records could not be read was said with their values."""
    aside = SetAside.objects.filter(state__integration=integration)
    if ids := {name.partition(":")[2] for name in aside.values_list("external_id", flat=True)}:
        found = ended.filter(external_id__among=ids).values_list("crm_object", "external_id")
        aside.filter(external_id__among=[f"{crm_object}:{name}" for crm_object, name in found]).delete()


def _unmarked(integration: Integration) -> None:
    """Notes of ours that were sent once. Those that came from the CRM were never marked here."""
    ours = Write.objects.filter(link=OuterRef("pk"), is_creation=True)
    rows = Note.objects.filter(pk=OuterRef("row_id"), sync_to_crm=False)
    links = RecordLink.objects.filter(_has_history(), Exists(ours), Exists(rows), integration=integration, kind="note")
    erasing.history(integration, links.order_by().values_list("pk", flat=True), UNMARKED)


def _kept_out(integration: Integration) -> None:
    """People and firms. They stay linked, so what both sides hold now is still known; only what was is not."""
    links = RecordLink.objects.filter(_has_history(), integration=integration, row_id__isnull=False)
    people = dict(links.filter(kind="person").values_list("row_id", "pk"))
    firms = dict(links.filter(kind="organization").values_list("row_id", "pk"))
    domains = OrganizationDomain.objects.filter(organization__among=firms).values_list("organization", "domain")
    rules = blocking.find_rules([])
    out = blocking.kept_out(people.keys()) | {pk for pk, name in domains if rules.blocks(f"anybody@{name}", None)}
    erasing.history(integration, [pk for row, pk in {**people, **firms}.items() if row in out], KEPT_OUT)


def _has_history() -> Q:
    """Whether a link has anything left to be emptied."""
    writes = Write.objects.filter(link=OuterRef("pk"), erased_at=None).exclude(state__in=ledger.UNSURE)
    return Q(Exists(writes)) | Q(Exists(Conflict.objects.filter(link=OuterRef("pk"), erased_at=None)))


def _naming(rows: QuerySet[Any], column: str, names: Collection[str]) -> QuerySet[Any]:
    """Those of these rows in whose lists of ids one of the names stands."""
    named = reduce(or_, (Q(text__contains=json.dumps(name)) for name in names))
    return rows.annotate(text=Cast(column, TextField())).filter(named)


def _follow_privacy(held: runs.Held) -> None:
    """What was deleted for privacy is linked with nothing, whatever the CRM would still list of it. Raises HoldLost."""
    state = held.state
    items = list(PokedItem.objects.filter(state=state, name__startswith=FORGET))
    if not items:
        return
    by_object: dict[str, set[str]] = defaultdict(set)
    for item in items:
        crm_object, _, external_id = item.name.removeprefix(FORGET).partition(":")
        by_object[crm_object].add(external_id)
    with transaction.atomic():
        found = [_forget(state.integration, crm_object, ids) for crm_object, ids in by_object.items()]
        names = [item.name.removeprefix(FORGET) for item in items]
        SetAside.objects.filter(state=state, external_id__among=names).delete()
        PokedItem.objects.filter(state=state, name__among=[*names, *(item.name for item in items)]).delete()
        runs.store_page(held, state.cursor, state.page_cursor, {"deleted": sum(found)}, {})


def _forget(integration: Integration, crm_object: str, external_ids: Collection[str]) -> int:
    """End the links of these records, also those that were forgotten when the deletion itself was told."""
    links = RecordLink.objects.filter(integration=integration)
    writes = Write.objects.filter(integration=integration, crm_object=crm_object, external_id__among=external_ids)
    unlinked = links.filter(pk__in=writes.values("link"), external_id="")
    found = links.filter(crm_object=crm_object, external_id__among=external_ids) | unlinked
    ids = list(found.values_list("pk", flat=True))
    ended = {"reason": deletes.FORGOTTEN, "deleted_at": Coalesce("deleted_at", Value(timezone.now())), "is_due": False}
    rows = RecordLink.objects.filter(pk__among=ids)
    rows.exclude(state=RecordLink.State.IGNORED).update(state=RecordLink.State.DELETED)
    rows.update(**ended, **link_errors.NONE)
    return len(ids)
