"""The pages of single records: what they hold, what they go together with, and the form that changes them."""

from collections.abc import Mapping
from html import escape
from typing import Any

from werkzeug.datastructures import MultiDict
from werkzeug.wrappers import Response

from sandbox import pages
from sandbox.hubspot import filling, looking
from sandbox.hubspot.kinds import KINDS, Kind
from sandbox.hubspot.looking import SHOWN
from sandbox.hubspot.portals import Portal
from sandbox.hubspot.records import Record
from sandbox.hubspot.shapes import value
from sandbox.hubspot.state import HubSpot
from sandbox.hubspot.values import instant
from sandbox.pages import forms, records
from sandbox.pages.forms import Refusal
from sandbox.pages.records import Fact
from sandbox.pages.tables import Cell, Link, cell

Json = dict[str, Any]
Form = MultiDict[str, str]
MOST_LINKED = 20
DONE = {
    "save": "Saved. Apps that get webhooks are being told.",
    "create": "Created. Apps that get webhooks are being told.",
    "archive": "Archived. Apps that get webhooks are being told.",
    "restore": "It is back. Apps that get webhooks are being told.",
    "nothing": "Nothing was different, so nothing was saved.",
}


def record(
    hubspot: HubSpot,
    portal: Portal,
    kind: Kind,
    one: Record,
    refusal: Refusal | None = None,
    form: Form | None = None,
    *,
    done: str = "",
) -> Response:
    """A record's page; with a refusal the form comes back as it was filled in."""
    heading = looking.title(kind, one)
    parts = [
        looking.crumb(portal, Link(kind.name.title(), f"{looking.top(portal)}?type={kind.name}")),
        f"<h1>{escape(heading)}</h1>{about(hubspot, portal, kind, one)}",
        records.told(DONE.get(done, "")),
        records.refused(refusal.why if refusal else ()),
        bin_note(one) if one.archived_ms else "",
        f"<h2>What it holds</h2>{records.facts(facts(hubspot, portal, kind, one))}",
        "" if one.archived_ms else related(portal, kind, one),
        "" if one.archived_ms else change_form(portal, kind, one, refusal, form),
    ]
    return pages.page(f"{heading} · {kind.singular}", "".join(parts), 400 if refusal else 200, looking.BANNER)


def about(hubspot: HubSpot, portal: Portal, kind: Kind, one: Record) -> str:
    """What it is, and who changed it last."""
    by = looking.writer(hubspot, portal, looking.last_writer(one))
    jump = "" if one.archived_ms else ' <a href="#change">Change it</a>'
    merged = f" It is what became of {', '.join(map(str, one.merged))}." if one.merged else ""
    return (
        f"<p>{kind.singular.title()} <code>{one.id}</code>. Last changed "
        f"<strong>{looking.when(one.updated_ms)}</strong> by <strong>{escape(by)}</strong>.{merged} "
        f'<span class="quiet">Reload to see what is new.</span>{jump}</p>'
    )


def bin_note(one: Record) -> str:
    """Of an archived record: since when, and how it comes back."""
    back = forms.form(forms.button("restore", "Restore", is_main=True), "")
    when = looking.when(one.archived_ms)
    return f'<div class="notice bad"><p>This record was deleted (archived) on {when}.</p>{back}</div>'


def merged(portal: Portal, kind: Kind, record_id: int) -> Response:
    """The page of a record that was merged away."""
    became = portal.books[kind.name].resolved(record_id)
    link = cell(Link(str(became), looking.address(portal, kind, became)))
    main = (
        f"{looking.crumb(portal)}<h1>Merged</h1>"
        f'<p class="notice bad">The {kind.singular} {record_id} was merged, and is {link} now.</p>'
    )
    return pages.page("Merged", main, 200, looking.BANNER)


def facts(hubspot: HubSpot, portal: Portal, kind: Kind, one: Record) -> list[Fact]:
    """All properties, with the app that wrote a value where it was one."""
    return [
        Fact(found["label"], name, held(portal, kind, found, one), written(hubspot, one, name))
        for name, found in portal.properties[kind.name].items()
        if not found["archived"]
    ]


def written(hubspot: HubSpot, one: Record, name: str) -> str:
    """Which app wrote a value, and when."""
    versions = one.versions(name)
    if not versions or versions[0].source.type != looking.BY_APP:
        return ""
    return f"written by the app {looking.app(hubspot, versions[0].source.id)}, {looking.when(versions[0].at_ms)}"


def held(portal: Portal, kind: Kind, found: Json, one: Record) -> Cell:
    """A property's value for people."""
    text = value(kind, one, found["name"]) or ""
    if found["name"] == "associatedcompanyid":
        return looking.company(portal, text)
    if found["type"] == "datetime" and text:
        return looking.when(instant(text))
    if found["type"] in {"enumeration", "bool"}:
        labels = dict(filling.choices_of(portal, found, text))
        return ", ".join(labels.get(part, part) for part in text.split(";")) if text else ""
    return text


def related(portal: Portal, kind: Kind, one: Record) -> str:
    """What it is associated with, and links to make more."""
    lists = []
    for name in SHOWN:
        live = portal.books[name].live
        ends = portal.links.of(kind.name, one.id, name)
        found = [(live[end_id], types) for end_id, types in ends.items() if end_id in live]
        found.sort(key=lambda pair: pair[0].updated_ms, reverse=True)
        links = [associated(portal, KINDS[name], end, any(t.is_primary for t in types)) for end, types in found]
        lists.append(records.linked(name.title(), links[:MOST_LINKED], len(found)))
    return (
        f"<h2>What it goes together with</h2>{''.join(lists) or '<p>Nothing yet.</p>'}<p>{more(portal, kind, one)}</p>"
    )


def associated(portal: Portal, kind: Kind, end: Record, is_primary: bool) -> Link:
    """One end of an association."""
    link = looking.link(portal, kind, end)
    return Link(f"{link.text} (primary)", link.address) if is_primary else link


def more(portal: Portal, kind: Kind, one: Record) -> str:
    """Links to new records that go together with this one."""
    if kind.is_engagement:
        return ""
    made = {name: kind.name for name in SHOWN if KINDS[name].is_engagement}
    if kind.name == "companies":
        made = {"contacts": "company"} | made
    base = f"{looking.top(portal)}new/"
    links = [Link(f"New {KINDS[name].singular}", f"{base}{name}?{word}={one.id}") for name, word in made.items()]
    return " · ".join(map(cell, links))


def change_form(portal: Portal, kind: Kind, one: Record, refusal: Refusal | None, form: Form | None) -> str:
    """The form that changes it, and the button that archives it."""
    save = forms.button("save", "Save", is_main=True)
    archive = forms.form(forms.button("archive", f"Archive this {kind.singular}"), "")
    inputs = filling.inputs(portal, kind, one.values, is_new=False)
    was = forms.came_up_with([*inputs[0], *inputs[1]], form)
    return (
        f'<h2 id="change">Change it as a person would</h2>{filled(portal, inputs, was, refusal, form, save)}{archive}'
    )


def new(
    hubspot: HubSpot,
    portal: Portal,
    kind: Kind,
    args: Mapping[str, str],
    refusal: Refusal | None = None,
    form: Form | None = None,
) -> Response:
    """The form for a new record; ``args`` name what it belongs to."""
    main, rest = filling.inputs(portal, kind, filling.defaults(kind, hubspot.now_ms), is_new=True)
    inputs = [*main, *filling.belongings(portal, kind, args)], rest
    save = forms.button("save", "Create", is_main=True)
    content = (
        f"{looking.crumb(portal, Link(kind.name.title(), f'{looking.top(portal)}?type={kind.name}'))}"
        f"<h1>New {kind.singular}</h1>{records.refused(refusal.why if refusal else ())}"
        f"{filled(portal, inputs, {}, refusal, form, save)}"
    )
    return pages.page(f"New {kind.singular} · {portal.facts.name}", content, 400 if refusal else 200, looking.BANNER)


def filled(
    portal: Portal,
    inputs: tuple[list[forms.Input], list[forms.Input]],
    was: Mapping[str, str],
    refusal: Refusal | None,
    form: Form | None,
    save: str,
) -> str:
    """The form with what the record holds, or with what somebody filled in."""
    main, rest = inputs
    if form is not None:
        main, rest = forms.refilled(main, form), forms.refilled(rest, form)
    main = [*main, filling.person(portal, form.get("by", "") if form else "")]
    problems = refusal.fields if refusal else {}
    is_open = any(one.name in problems for one in rest)
    return forms.form(save, forms.grid(main, was, problems), forms.grid(rest, was, problems), is_open=is_open)
