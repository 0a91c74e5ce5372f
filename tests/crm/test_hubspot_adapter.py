"""HubSpot's adapter reading where the portal answers late, oddly, partly or not at all, over real HTTP."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from django.test import override_settings

from crm.contract import Related
from crm.hubspot import calls, reading, records
from integrations import outbound, providers
from integrations.errors import MissingScope, RateLimited, Temporary, TokenRefused
from tests.crm.worlds import World, opened
from tests.sandbox.hubspot_app import SCOPES


@pytest.fixture
def world() -> Iterator[World]:
    with opened("hubspot") as world:
        world.desk.control("limits", max=100_000, search=100_000)
        yield world


def people(world: World, count: int, **values: str) -> list[str]:
    """Contacts that somebody made; their ids."""
    rows = [{"properties": {"lastname": f"Person {number}"} | values} for number in range(count)]
    ids: list[str] = world.desk.control("records", type="contacts", records=rows, silent=True)["ids"]
    return ids


def cursor_of(world: World, kind: str = "person") -> str:
    """The cursor after everything was read."""
    return world.everything(world.wanted(kind), is_first=True)[1]


# --- reading everything


@pytest.mark.parametrize("generation", ["2026-09", "v3"])
def test_a_killed_load_goes_on_behind_the_last_stored_page(generation: str) -> None:
    with override_settings(HUBSPOT_API_GENERATION=generation), opened("hubspot") as world:
        ids = people(world, 250)
        wanted = world.wanted("person", "last")
        first = world.adapter.listing(world.link, wanted)
        assert len(first.records) == 100
        world.sign_in()
        rest, cursor = world.everything(replace(wanted, page=first.next_page), is_first=True)
        assert [one.external_id for one in (*first.records, *rest)] == sorted(ids, key=int)
        assert {one.external_id for one in world.everything(replace(wanted, cursor=cursor))[0]} == set(ids)


def test_names_too_long_for_an_address_are_read_by_ids(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    firm = world.create("organization", name="LP One")
    person = world.create("person", parent=firm, last="Lee", email="lee@lp.example")
    plain = world.everything(world.wanted("person", "last", "email"), is_first=True)[0]
    monkeypatch.setattr(reading, "LONGEST_ADDRESS", 10)
    wide = world.everything(world.wanted("person", "last", "email"), is_first=True)[0]
    assert wide == plain
    assert (wide[0].external_id, wide[0].related) == (person, (Related("organization", firm),))


# --- reading changes


def test_a_search_goes_on_beyond_ten_thousand(world: World) -> None:
    cursor = cursor_of(world, "organization")
    world.advance(86_400)
    world.desk.control("bulk_records", type="companies", count=10_500, days=0.5)
    world.forget_calls()
    found, later = world.everything(world.wanted("organization", "name", cursor=cursor))
    assert len({one.external_id for one in found}) == 10_500
    assert world.calls()["companies.search"] <= 56
    assert len(world.everything(world.wanted("organization", cursor=later))[0]) < 200


@pytest.mark.parametrize("limit", [3, 7, 200])
def test_rows_of_one_millisecond_all_come(world: World, monkeypatch: pytest.MonkeyPatch, limit: int) -> None:
    monkeypatch.setattr(reading, "SEARCH_LIMIT", limit)
    cursor = cursor_of(world, "organization")
    before = world.create("organization", name="Before")
    world.advance(1)
    world.desk.control("bulk_records", type="companies", count=2 * limit + 1, days=0)
    world.advance(1)
    after = world.create("organization", name="After")
    found, _ = world.everything(world.wanted("organization", "name", cursor=cursor))
    assert {before, after} <= {one.external_id for one in found}
    assert {one.external_id for one in found} == set(world.desk.stored("companies"))


def test_what_changes_between_two_pages_hides_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "SEARCH_LIMIT", 5)
    cursor = cursor_of(world)
    ids = []
    for _ in range(12):
        ids += people(world, 1)
    wanted = world.wanted("person", "last", cursor=cursor)
    page = world.adapter.changes(world.link, wanted)
    for moved in ids[:3]:
        world.update("person", moved, last="Moved")
    rest, _ = world.everything(replace(wanted, page=page.next_page))
    seen = {one.external_id: one.values["lastname"] for one in (*page.records, *rest)}
    assert seen.keys() == set(ids)
    assert {seen[one] for one in ids[:3]} == {"Moved"}


def test_what_search_does_not_see_yet_comes_with_the_next_round(world: World) -> None:
    cursor = cursor_of(world)
    world.advance(120)
    world.desk.control("search_lag", seconds=30)
    late = people(world, 1)
    found, cursor = world.everything(world.wanted("person", cursor=cursor))
    assert found == []
    world.advance(40)
    found, _ = world.everything(world.wanted("person", cursor=cursor))
    assert [one.external_id for one in found] == late


def test_a_round_without_news_costs_one_call_per_object(world: World) -> None:
    people(world, 3)
    kinds = ("organization", "person", "note")
    cursors = {kind: cursor_of(world, kind) for kind in kinds}
    world.advance(600)
    for kind in kinds:
        _, cursors[kind] = world.everything(world.wanted(kind, cursor=cursors[kind]))
    for _ in range(2):
        world.advance(1200)
        world.forget_calls()
        for kind in kinds:
            found, cursors[kind] = world.everything(world.wanted(kind, cursor=cursors[kind]))
            assert found == []
        assert world.calls() == dict.fromkeys(["companies.search", "contacts.search", "notes.search"], 1)
    world.advance(1200)
    world.forget_calls()
    for kind in kinds:
        world.everything(world.wanted(kind, cursor=cursors[kind]))
    assert {name: count for name, count in world.calls().items() if name.endswith("list")} == dict.fromkeys(
        ["companies.list", "contacts.list"], 1
    )
    assert sum(world.calls().values()) == 5


def test_the_archive_is_read_hourly_and_tells_each_deletion_once(world: World) -> None:
    old, new, back = people(world, 3)
    world.delete("person", old)
    world.advance(3700)
    cursor = cursor_of(world)
    world.delete("person", new)
    world.delete("person", back)
    found, cursor = world.everything(world.wanted("person", cursor=cursor))
    assert found == []
    world.advance(3700)
    found, cursor = world.everything(world.wanted("person", cursor=cursor))
    assert {(one.external_id, one.is_deleted) for one in found} == {(new, True), (back, True)}
    world.desk.control("records/restore", ids=[back], silent=True)
    world.advance(3700)
    found, cursor = world.everything(world.wanted("person", cursor=cursor))
    assert {(one.external_id, one.is_deleted) for one in found} == {(back, False)}
    world.advance(3700)
    assert world.everything(world.wanted("person", cursor=cursor))[0] == []


# --- reading by id


def test_merged_records_are_found_under_the_third_ones_id(world: World) -> None:
    first, second, third, other = people(world, 4)
    world.merge("person", first, second)
    survivor = world.desk.control("records/merge", primary=third, other=other, silent=True)["id"]
    batch = world.adapter.read(world.link, world.wanted("person", "last"), [first, second, third, survivor])
    assert batch.missing == ()
    assert len(batch.records) == 2
    assert {survivor} == {one.external_id for one in batch.records if third in one.aliases}


def test_a_merged_id_that_batches_do_not_know_is_asked_for_alone(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = people(world, 2)
    world.merge("person", first, second)
    # As if a batch knew a record by its newest id only.
    monkeypatch.setattr(reading, "_seen", lambda found, unreadable: {one.external_id for one in found})
    batch = world.adapter.read(world.link, world.wanted("person", "last"), [first, second])
    assert batch.missing == ()
    assert {first, second} <= {*batch.records[0].aliases, batch.records[0].external_id}
    assert len(batch.records) == 1


def test_what_was_deleted_for_good_is_missing_and_not_asked_for_endlessly(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "LOOKED_UP", 3)
    kept, *gone = people(world, 7)
    world.desk.control("records/gdpr_delete", ids=gone, silent=True)
    world.forget_calls()
    batch = world.adapter.read(world.link, world.wanted("person", "last"), [kept, *gone])
    assert [one.external_id for one in batch.records] == [kept]
    assert len(batch.missing) == 3
    assert set(batch.missing) < set(gone)
    assert sum(world.calls().values()) == 2 + 3 + 1


def test_ids_that_are_none_are_missing_and_never_part_of_an_address(world: World) -> None:
    person = people(world, 1)[0]
    strange = ["../../oauth/v1/x", "//evil.example/x", f"{person}/associations/notes", "", "٣", "x"]
    world.forget_calls()
    batch = world.adapter.read(world.link, world.wanted("person", "last"), [person, *strange])
    assert [one.external_id for one in batch.records] == [person]
    assert set(batch.missing) == set(strange)
    assert set(world.calls()) == {"contacts.batch.read", "associations.batch.read"}


# --- refusals


@pytest.mark.parametrize(
    ("status", "asked_for", "least", "most"),
    [
        (423, "", 2, 10),
        (477, "", 600, 86_400),
        (477, "7200", 7200, 7200),
        (502, "", 0, 0),
        (503, "30", 30, 30),
        (504, "", 0, 0),
        (521, "", 0, 0),
        (524, "", 0, 0),
    ],
)
def test_trouble_is_waited_out(world: World, status: int, asked_for: str, least: float, most: float) -> None:
    more = {"retry_after": asked_for} if asked_for else {}
    world.desk.control("troubles", operation="hubspot.contacts.list", status=status, **more)
    with pytest.raises(Temporary) as caught:
        world.adapter.listing(world.link, world.wanted("person"))
    assert least <= (caught.value.retry_after or 0) <= most
    assert world.everything(world.wanted("person"), is_first=True)[0] == []


@pytest.mark.parametrize(
    ("operation", "kind", "least", "most"),
    [
        ("contacts.list", "rate_limit_429", 10, 10),
        ("contacts.search", "rate_limit_429", 1, 1),
        ("contacts.list", "rate_limit_403", 1800, 86_400),
    ],
)
def test_a_limit_is_waited_for_by_its_policy(
    world: World, operation: str, kind: str, least: float, most: float
) -> None:
    cursor = cursor_of(world)
    world.spoil(operation, kind)
    read = world.adapter.listing if operation.endswith("list") else world.adapter.changes
    with pytest.raises(RateLimited) as caught:
        read(world.link, world.wanted("person", cursor=cursor))
    assert least <= (caught.value.retry_after or 0) <= most


def test_searches_are_paced_below_their_limit(world: World) -> None:
    cursor = cursor_of(world, "organization")
    assert [(one.calls, one.seconds) for one in world.adapter.paces if one.window == "search"] == [(4, 1.0)]
    world.desk.control("limits", search=0)
    with pytest.raises(RateLimited) as caught:
        world.adapter.changes(world.link, world.wanted("organization", cursor=cursor))
    assert caught.value.retry_after == 1.0


def test_a_permission_that_was_not_granted_is_named(world: World) -> None:
    people(world, 1)
    for without in ("crm.objects.contacts.read", "crm.objects.companies.read"):
        token = world.desk.link(*(one for one in SCOPES if one != without))["access_token"]
        link = replace(world.link, http=outbound.session(providers.get("hubspot"), token))
        kind = "person" if "contacts" in without else "organization"
        with pytest.raises(MissingScope, match=without):
            world.adapter.listing(link, world.wanted(kind))


def test_a_session_that_ends_between_pages_is_a_refused_token(world: World) -> None:
    ids = people(world, 130)
    wanted = world.wanted("person", "last")
    page = world.adapter.listing(world.link, wanted)
    world.desk.control("expire_access_tokens")
    with pytest.raises(TokenRefused):
        world.adapter.listing(world.link, replace(wanted, page=page.next_page))
    world.sign_in()
    rest, _ = world.everything(replace(wanted, page=page.next_page), is_first=True)
    assert [one.external_id for one in (*page.records, *rest)] == sorted(ids, key=int)


def test_a_property_that_is_gone_is_absent_and_not_empty(world: World) -> None:
    people(world, 1, jobtitle="CIO")
    wanted = world.wanted("person", "title", "email")
    assert world.everything(wanted, is_first=True)[0][0].values.keys() >= {"jobtitle", "email"}
    world.desk.control("properties/remove", name="jobtitle")
    values = world.everything(wanted, is_first=True)[0][0].values
    assert "jobtitle" not in values
    assert values["email"] is None


# --- answers that are none


READINGS = [
    ("contacts.list", "listing"),
    ("contacts.search", "changes"),
    ("associations.batch.read", "changes"),
    ("contacts.batch.read", "read"),
    ("properties.list", "fields"),
]


@pytest.mark.parametrize("kind", ["html_200", "malformed_json", "half_page", "error_500", "error_503"])
@pytest.mark.parametrize(("operation", "method"), READINGS)
def test_an_answer_that_is_none_is_asked_for_again(world: World, operation: str, method: str, kind: str) -> None:
    ids = people(world, 3)
    wanted = world.wanted("person", "last", cursor=cursor_of(world))
    more = {"read": (wanted, ids), "fields": ("contacts",)}.get(method, (wanted,))
    world.spoil(operation, kind)
    with pytest.raises(Temporary):
        getattr(world.adapter, method)(world.link, *more)
    answer = getattr(world.adapter, method)(world.link, *more)
    assert method == "fields" or len(answer.records) == 3


def test_an_answer_without_its_list_is_no_empty_page() -> None:
    with pytest.raises(Temporary):
        calls.rows({"status": "COMPLETE"})
    assert calls.rows({"results": []}) == []


def test_a_list_that_is_not_there_ends_nothing_for_ever(world: World) -> None:
    world.spoil("contacts.list", "not_found_404")
    with pytest.raises(calls.NotThere):
        world.adapter.listing(world.link, world.wanted("person"))


def test_what_cannot_be_translated_is_told_with_its_reason() -> None:
    fine = {"id": "51", "properties": {"lastmodifieddate": "2026-05-06T11:56:44.123Z"}, "archived": False}
    odd = [fine | {"id": "x"}, {"id": "52", "properties": "none"}, {}, None, "text"]
    odd.append({"id": "53", "properties": {"lastmodifieddate": "soon"}})
    found, unreadable = records.split("contacts", [fine, *odd])
    assert [one.external_id for one in found] == ["51"]
    assert [one.external_id for one in unreadable] == ["x", "52", "", "", "", "53"]
    assert all("unknown form" in one.reason for one in unreadable)


@pytest.mark.parametrize("stamp", ["9" * 30, "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
def test_a_stamp_before_or_after_all_time_costs_its_own_record(stamp: str) -> None:
    found, [odd] = records.split("contacts", [{"id": "51", "properties": {"lastmodifieddate": stamp}}])
    assert (found, odd.external_id) == ((), "51")


@pytest.mark.parametrize("name", [float("inf"), 10**400, "9" * 4000, -1, "x" * 10_000_000])
def test_what_is_no_id_costs_its_own_record(name: object) -> None:
    found, [odd] = records.split("contacts", [{"id": name, "properties": {}}])
    assert (found, len(odd.external_id) <= 100, len(odd.reason) < 500) == ((), True, True)


@pytest.mark.parametrize(
    ("held", "text"),
    [
        ("<p>Hello</p><p>Ref LPxGP-{key}</p>", "<p>Hello</p>"),
        ("<div dir='auto'><p>Hello</p><p>Ref LPxGP-{key}</p></div>", "<div dir='auto'><p>Hello</p></div>"),
        ("<p>Ref LPxGP-{key}</p>", None),
        ("<p>About Ref LPxGP-{key}</p><p>More</p>", "<p>About Ref LPxGP-{key}</p><p>More</p>"),
    ],
)
def test_our_mark_is_known_in_what_the_editor_made_of_it(held: str, text: str | None) -> None:
    key = "0c0ffee0-0000-4000-8000-000000000001"
    body = {"id": "51", "properties": {"hs_note_body": held.format(key=key)}}
    is_ours = text is None or key not in text.format(key=key)
    assert records.mark_of("notes", body) == (key if is_ours else "")
    assert records.record("notes", body).values["hs_note_body"] == (text and text.format(key=key))
