"""The pages of single records: what they hold, what hangs together with them, and the form that changes them."""

from collections.abc import Mapping
from html import escape
from typing import Any

from werkzeug.datastructures import MultiDict
from werkzeug.wrappers import Response

from sandbox import pages
from sandbox.pages import forms, records
from sandbox.pages.forms import Refusal
from sandbox.pages.records import Fact
from sandbox.pages.tables import Cell, Link, cell
from sandbox.salesforce import derived, filling, looking
from sandbox.salesforce.blocks import Row
from sandbox.salesforce.catalogue import system_fields
from sandbox.salesforce.fields import Field
from sandbox.salesforce.looking import SHOWN
from sandbox.salesforce.orgs import Org
from sandbox.salesforce.writes import APPS, CASCADES, live_children

MOST_LINKED = 20
DONE = {
    "save": "Saved. Whoever is told of changes in this org is being told.",
    "create": "Created. Whoever is told of changes in this org is being told.",
    "delete": "Deleted. Whoever is told of changes in this org is being told.",
    "undelete": "It is back. Whoever is told of changes in this org is being told.",
    "nothing": "Nothing was different, so nothing was saved.",
}
Form = MultiDict[str, str]


def record(
    org: Org, name: str, row: Row, refusal: Refusal | None = None, form: Form | None = None, *, done: str = ""
) -> Response:
    """A record's page; with a refusal the form comes back as it was filled in."""
    kind, heading = org.tables[name].kind, looking.title(name, row)
    is_deleted, is_shown = bool(row.get("IsDeleted")), name in SHOWN
    way = [Link(kind.plural, f"{looking.top(org)}?object={name}")] if is_shown else []
    parts = [
        looking.crumb(org, *way),
        f"<h1>{escape(heading)}</h1>{about(org, name, row)}",
        records.told(DONE.get(done, "")),
        records.refused(refusal.why if refusal else ()),
        bin_note(org, row) if is_deleted else "",
        f"<h2>What it holds</h2>{records.facts(facts(org, name, row))}",
        "" if is_deleted else related(org, name, row),
        "" if is_deleted or not is_shown else change_form(org, name, row, refusal, form),
    ]
    return pages.page(f"{heading} · {kind.label}", "".join(parts), 400 if refusal else 200, looking.BANNER)


def about(org: Org, name: str, row: Row) -> str:
    """What it is, and who saved it last."""
    stamp, edited = row["SystemModstamp"], row["LastModifiedDate"]
    later = f", and by automation {looking.when(stamp)}" if stamp > edited else ""
    jump = ' <a href="#change">Change it</a>' if name in SHOWN and not row.get("IsDeleted") else ""
    return (
        f"<p>{escape(org.tables[name].kind.label)} <code>{escape(row['Id'])}</code>. Last changed "
        f"<strong>{looking.when(edited)}</strong> by <strong>{escape(looking.saver(org, row))}</strong>{later}. "
        f'<span class="quiet">Reload to see what is new.</span>{jump}</p>'
    )


def bin_note(org: Org, row: Row) -> str:
    """Of a deleted record: where it went, and how it comes back."""
    if row.get("MasterRecordId"):
        winner = cell(looking.link(org, row["MasterRecordId"]))
        return f'<p class="notice bad">This record was merged into {winner} and is deleted.</p>'
    back = forms.form(forms.button("undelete", "Undelete", is_main=True), "")
    return f'<div class="notice bad"><p>This record is deleted. It lies in the Recycle Bin.</p>{back}</div>'


def facts(org: Org, name: str, row: Row) -> list[Fact]:
    """All fields, past all permissions, but for those that only put others together; Salesforce's own come last."""
    apps = row.get(APPS, {})
    own = {one.name for one in system_fields(name)} | {"Id"}
    seen = sorted(org.seen("", name).values(), key=lambda one: one.field.name in own)
    return [
        Fact(one.field.label, one.field.name, held(org, name, one.field, row), written(apps.get(one.field.name)))
        for one in seen
        if one.field.type != "address"
    ]


def written(app: str | None) -> str:
    """Which app wrote a value."""
    return f"written by the app {app}" if app else ""


def held(org: Org, name: str, one: Field, row: Row) -> Cell:
    """A field's value for people."""
    value = derived.value(name, row, one.name)
    if one.type == "reference":
        return looking.link(org, value)
    if one.type == "boolean":
        return "Yes" if value else "No"
    if value is None:
        return ""
    return looking.when(value) if one.type == "datetime" else filling.text_of(one, value)


def related(org: Org, name: str, row: Row) -> str:
    """Records that point at this one, the latest first, and links to make more."""
    lists = []
    for child in SHOWN:
        table = org.tables[child]
        keys = [one.name for one in table.kind.fields if name in one.references and one.name != "MasterRecordId"]
        found = {one for key in keys for one in live_children(table, key, row["Id"])}
        links = [looking.link(org, one) for one in sorted(found, reverse=True)[:MOST_LINKED]]
        lists.append(records.linked(table.kind.plural, [one for one in links if isinstance(one, Link)], len(found)))
    made = [
        cell(Link(f"New {org.tables[child].kind.label.lower()}", f"{looking.top(org)}new/{child}?{key}={row['Id']}"))
        for child, key in CASCADES.get(name, [])
        if child in SHOWN
    ]
    if not any(lists) and not made:
        return ""
    return f"<h2>What belongs to it</h2>{''.join(lists)}<p>{' · '.join(made)}</p>"


def change_form(org: Org, name: str, row: Row, refusal: Refusal | None, form: Form | None) -> str:
    """The form that changes it, and the button that deletes it."""
    head = '<h2 id="change">Change it as a person would</h2>'
    if not org.users():
        return f"{head}<p>{escape(org.name)} has no users yet who could.</p>"
    save = forms.button("save", "Save", is_main=True)
    delete = forms.form(forms.button("delete", f"Delete this {org.tables[name].kind.label.lower()}"), "")
    return head + filled(org, name, row, refusal, form, save, is_new=False) + delete


def new(
    org: Org, name: str, args: Mapping[str, str], refusal: Refusal | None = None, form: Form | None = None
) -> Response:
    """The form for a new record; ``args`` name what it belongs to."""
    kind = org.tables[name].kind
    fields = {one.name: one for one in org.all_fields(name)}
    row: dict[str, Any] = {key: one.default for key, one in fields.items() if one.default is not None}
    row |= {key: value for key, value in args.items() if key in fields and fields[key].type == "reference"}
    way = looking.crumb(org, Link(kind.plural, f"{looking.top(org)}?object={name}"))
    save = forms.button("save", "Create", is_main=True)
    body = filled(org, name, row, refusal, form, save, is_new=True) if org.users() else "<p>There are no users yet.</p>"
    main = f"{way}<h1>New {escape(kind.label.lower())}</h1>{records.refused(refusal.why if refusal else ())}{body}"
    return pages.page(f"New {kind.label.lower()} · {org.name}", main, 400 if refusal else 200, looking.BANNER)


def filled(
    org: Org, name: str, row: Row, refusal: Refusal | None, form: Form | None, save: str, *, is_new: bool
) -> str:
    """The form with what the row holds, or with what somebody filled in."""
    chosen = form or MultiDict()
    main, more = filling.inputs(org, filling.user_id(org, chosen), name, row, is_new=is_new)
    was = {} if is_new else forms.came_up_with([*main, *more], form)
    if form is not None:
        main, more = forms.refilled(main, form), forms.refilled(more, form)
    main = [*main, filling.person(org, chosen.get("by", ""))]
    problems = refusal.fields if refusal else {}
    is_open = any(one.name in problems for one in more)
    return forms.form(save, forms.grid(main, was, problems), forms.grid(more, was, problems), is_open=is_open)
