"""Salesforce's adapter where the org answers late, oddly, partly or not at all, over real HTTP."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from crm.contract import Record, Related, Wanted
from crm.salesforce import calls, reading, records, writing
from integrations.errors import CursorExpired, MissingScope, Permanent, RateLimited, Temporary, TokenRefused, Wait
from tests.crm.worlds import World, opened
from tests.sandbox.salesforce import BEN

ODD = 'Ash, "Anna"; ü\ttab'
TEXT = 'One, two\r\nthree "four"\n\nfive'


@pytest.fixture
def world() -> Iterator[World]:
    with opened("salesforce") as world:
        yield world


@pytest.fixture
def keyed(world: World) -> World:
    """The same with the fields that hold our key."""
    world.desk.add_key("Account", "Contact", "Activity")
    return world


def people(world: World, count: int, **values: str) -> list[str]:
    """Contacts that somebody made; their ids."""
    rows = [{"LastName": f"Person {number}", **values} for number in range(count)]
    ids: list[str] = world.desk.create("Contact", *rows, silent=True)
    return ids


def texts(found: list[Record], name: str) -> list[object]:
    return [one.values[name] for one in found]


# --- reading everything


def test_a_bulk_job_is_waited_for_and_not_begun_anew(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "BULK_FROM", 3)
    monkeypatch.setattr(reading, "PAGE", 2)
    world.desk.order("jobs", polls=2)
    firm = world.create("organization", name=ODD)
    ids = people(world, 4, FirstName=ODD, AccountId=firm)
    bare = people(world, 1)
    world.forget_calls()
    wanted = world.wanted("person", "first", "email")
    page = world.adapter.listing(world.link, wanted)
    assert (page.records, page.next_cursor) == ((), "")
    wanted = replace(wanted, page=page.next_page)
    for _ in range(2):
        with pytest.raises(Wait, match="still collecting"):
            world.adapter.listing(world.link, wanted)
    found, cursor = world.everything(wanted, is_first=True)
    assert world.calls()["jobs.create"] == 1
    assert world.calls()["jobs.results"] == 3
    assert {one.external_id: one.values["FirstName"] for one in found} == dict.fromkeys(ids, ODD) | {bare[0]: None}
    assert {one.related for one in found} == {(Related("organization", firm),), ()}
    assert {one.values["Email"] for one in found} == {None}
    assert world.everything(replace(wanted, page="", cursor=cursor))[0]


def test_who_waits_gets_pages_at_once_however_many_there_are(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "BULK_FROM", 3)
    monkeypatch.setattr(reading, "PAGE", 2)
    ids = [world.create("person", last=f"Lee {number}") for number in range(5)]
    world.forget_calls()
    found, _ = world.everything(replace(world.wanted("person"), is_prompt=True), is_first=True)
    assert [one.external_id for one in found] == sorted(ids)
    assert set(world.calls()) == {"query"}


def test_text_of_several_lines_comes_whole_out_of_a_bulk_job(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "BULK_FROM", 1)
    world.desk.create("Task", {"Subject": "Call", "Description": TEXT}, silent=True)
    found, _ = world.everything(world.wanted("task", "body"), is_first=True)
    assert texts(found, "Description") == [TEXT]


def test_ten_thousand_records_come_by_a_few_calls(world: World) -> None:
    world.desk.order("bulk_records", object="Contact", count=10_000)
    world.forget_calls()
    found, _ = world.everything(world.wanted("person", "last"), is_first=True)
    assert len({one.external_id for one in found}) == len(found) == 10_000
    assert sum(world.calls().values()) <= 9


@pytest.mark.parametrize("operation", ["jobs.get", "jobs.results"])
def test_a_bulk_job_that_is_forgotten_is_replaced_by_pages(
    world: World, monkeypatch: pytest.MonkeyPatch, operation: str
) -> None:
    monkeypatch.setattr(reading, "BULK_FROM", 3)
    ids = people(world, 5)
    world.spoil(operation, "not_found_404")
    found, cursor = world.everything(world.wanted("person", "last"), is_first=True)
    assert sorted(one.external_id for one in found) == sorted(ids)
    assert cursor


def test_pages_that_come_short_are_not_the_last_ones(world: World) -> None:
    ids = set(people(world, 450))
    wanted = world.wanted("person", "last")
    cursor = world.everything(wanted, is_first=True)[1]
    world.link.http.headers["Sforce-Query-Options"] = "batchSize=200"
    for found in (world.everything(wanted, is_first=True)[0], world.everything(replace(wanted, cursor=cursor))[0]):
        assert {one.external_id for one in found} == ids
        assert len(found) == len(ids)


def test_a_killed_load_goes_on_behind_the_last_stored_page(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "PAGE", 3)
    ids = people(world, 8)
    wanted = world.wanted("person", "last")
    first = world.adapter.listing(world.link, wanted)
    rest, cursor = world.everything(replace(wanted, page=first.next_page), is_first=True)
    assert [one.external_id for one in (*first.records, *rest)] == sorted(ids)
    wanted = replace(wanted, cursor=cursor)
    first = world.adapter.changes(world.link, wanted)
    rest, _ = world.everything(replace(wanted, page=first.next_page))
    assert [one.external_id for one in (*first.records, *rest)] == sorted(ids)


# --- reading changes


def test_a_row_that_shows_late_is_found_by_the_overlap(world: World) -> None:
    wanted = world.wanted("person", "last")
    _, cursor = world.everything(wanted, is_first=True)
    world.desk.order("commit_lag", seconds=200)
    late = people(world, 1)
    found, cursor = world.everything(replace(wanted, cursor=cursor))
    assert found == []
    world.advance(240)
    found, _ = world.everything(replace(wanted, cursor=cursor))
    assert [one.external_id for one in found] == late


def test_a_row_that_shows_hours_late_is_found_once_a_day(world: World) -> None:
    wanted = world.wanted("person", "last")
    _, cursor = world.everything(wanted, is_first=True)
    world.desk.order("commit_lag", seconds=3 * 3600)
    late = people(world, 1)
    for hours in (1, 1, 2, 19.9, 0.05):
        world.advance(hours * 3600)
        found, cursor = world.everything(replace(wanted, cursor=cursor))
        assert found == []
    world.advance(0.2 * 3600)
    found, cursor = world.everything(replace(wanted, cursor=cursor))
    assert [one.external_id for one in found] == late
    world.forget_calls()
    assert world.everything(replace(wanted, cursor=cursor))[0] == []
    assert world.calls() == {"queryAll": 1}


def test_what_was_merged_names_its_winner_and_what_comes_back_comes_alive(world: World) -> None:
    winner, loser, gone = people(world, 3)
    wanted = world.wanted("person", "last")
    _, cursor = world.everything(wanted, is_first=True)
    world.advance(600)
    world.merge("person", winner, loser)
    world.delete("person", gone)
    found, later = world.everything(replace(wanted, cursor=cursor))
    told = {one.external_id: (one.is_deleted, one.merged_into) for one in found}
    assert told == {winner: (False, ""), loser: (True, winner), gone: (True, "")}
    world.advance(600)
    world.desk.order("records/undelete", id=gone, silent=True)
    found, _ = world.everything(replace(wanted, cursor=later))
    assert (gone, False) in {(one.external_id, one.is_deleted) for one in found}


def test_fifteen_days_without_reading_ask_for_a_full_round(world: World) -> None:
    wanted = world.wanted("person", "last")
    _, cursor = world.everything(wanted, is_first=True)
    world.advance(14.9 * 86_400)
    world.everything(replace(wanted, cursor=cursor))
    world.advance(0.2 * 86_400)
    with pytest.raises(CursorExpired, match="15 days"):
        world.everything(replace(wanted, cursor=cursor))


def test_what_is_ours_is_marked_as_ours(keyed: World) -> None:
    written = keyed.adapter.write(keyed.link, [keyed.change("person", last="Lee")])[0]
    theirs = keyed.desk.create("Contact", {"LastName": "Moe"}, by=BEN, silent=True)[0]
    batch = keyed.adapter.read(keyed.link, keyed.wanted("person", "last"), [written.external_id, theirs])
    assert {one.external_id: one.is_by_us for one in batch.records} == {written.external_id: True, theirs: False}


def test_a_round_without_news_costs_one_call_per_object(keyed: World) -> None:
    cursors = {}
    for kind in keyed.adapter.objects:
        cursors[kind] = keyed.everything(keyed.wanted(kind), is_first=True)[1]
    keyed.advance(3600)
    keyed.forget_calls()
    for kind in ("organization", "person", "note"):
        assert keyed.everything(keyed.wanted(kind, cursor=cursors[kind]))[0] == []
    assert keyed.calls() == {"queryAll": 3}


# --- what may not be seen


def test_a_field_that_is_hidden_is_left_out_and_stops_nothing(world: World) -> None:
    people(world, 2, Email="lee@lp.example")
    wanted = replace(world.wanted("person", "last", "email"), fields=("LastName", "Email", writing.KEY))
    found, cursor = world.everything(wanted, is_first=True)
    assert [set(one.values) & {"Email", writing.KEY} for one in found] == [{"Email"}] * 2
    world.desk.order("access", hide_fields=["Contact.Email"])
    found, _ = world.everything(replace(wanted, cursor=cursor))
    assert [set(one.values) & {"LastName", "Email"} for one in found] == [{"LastName"}] * 2
    world.forget_calls()
    world.everything(replace(wanted, cursor=cursor))
    assert world.calls() == {"queryAll": 1}


def test_a_hidden_field_is_left_out_of_a_bulk_job(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "BULK_FROM", 1)
    people(world, 2)
    wanted = replace(world.wanted("person"), fields=("LastName", writing.KEY))
    assert len(world.everything(wanted, is_first=True)[0]) == 2


def test_a_hidden_object_is_a_missing_permission(world: World) -> None:
    world.desk.order("access", hide_objects=["Note"])
    with pytest.raises(MissingScope, match="may not see"):
        world.adapter.fields(world.link, "Note")
    with pytest.raises(MissingScope, match="may not see"):
        world.adapter.listing(world.link, world.wanted("note", "text"))


def test_a_session_that_ends_between_pages_is_a_refused_token(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "PAGE", 2)
    ids = people(world, 4)
    wanted = world.wanted("person", "last")
    page = world.adapter.listing(world.link, wanted)
    world.desk.order("expire_access_tokens")
    with pytest.raises(TokenRefused):
        world.adapter.listing(world.link, replace(wanted, page=page.next_page))
    with pytest.raises(TokenRefused):
        world.adapter.write(world.link, [world.change("person", ids[0], title="CIO")])
    world.sign_in()
    found, _ = world.everything(replace(wanted, page=page.next_page), is_first=True)
    assert [one.external_id for one in (*page.records, *found)] == sorted(ids)


def test_both_meanings_of_the_limit_wait_as_long_as_it_takes(world: World) -> None:
    world.desk.order("limits", concurrent=1)
    with pytest.raises(RateLimited, match="at once") as caught:
        world.adapter.fields(world.link, "Contact")
    assert caught.value.retry_after
    assert caught.value.retry_after < 60
    world.desk.order("limits", max=100, used=100)
    with pytest.raises(RateLimited, match="of the day") as caught:
        world.adapter.fields(world.link, "Contact")
    assert caught.value.retry_after
    assert caught.value.retry_after >= 1800


# --- ids, names and values from outside


def test_ids_that_are_none_are_missing_and_never_part_of_a_question(world: World) -> None:
    person = people(world, 1)[0]
    firm = world.create("organization", name="LP One")
    strange = ["../../query?q=x", "//evil.example/x", "", "003' OR Name != '", "003000000000999"]
    batch = world.adapter.read(world.link, world.wanted("person", "last"), [person[:15], firm, *strange])
    assert [one.external_id for one in batch.records] == [person]
    assert set(batch.missing) == {firm, *strange[:-1], calls.long_id(strange[-1])}
    assert world.adapter.read(world.link, world.wanted("person", "last"), []).records == ()


def test_names_cannot_change_a_question(world: World) -> None:
    wanted = world.wanted("person", "last")
    world.forget_calls()
    names = "Id FROM Account WHERE Name != ''", "(SELECT Id FROM Tasks)", "Name,Id", "", "../limits"
    for name in names:
        with pytest.raises(Permanent, match="no name"):
            world.adapter.listing(world.link, replace(wanted, fields=(name,), page='{"now": "", "id": ""}'))
        with pytest.raises(Permanent, match="no name"):
            world.adapter.fields(world.link, name)
        with pytest.raises(Permanent, match="no name"):
            world.adapter.listing(world.link, Wanted(name, ()))
    assert world.calls() == {}


# --- answers that are none


READINGS = [("query", "listing"), ("queryAll", "changes"), ("queryAll", "read"), ("sobjects.describe", "fields")]


@pytest.mark.parametrize("kind", ["html_200", "malformed_json", "half_page", "error_500", "error_503"])
@pytest.mark.parametrize(("operation", "method"), READINGS)
def test_an_answer_that_is_none_is_asked_for_again(world: World, operation: str, method: str, kind: str) -> None:
    ids = people(world, 3)
    wanted = world.wanted("person", "last")
    wanted = replace(wanted, cursor=world.everything(wanted, is_first=True)[1])
    more = {"read": (wanted, ids), "fields": ("Contact",)}.get(method, (wanted,))
    world.spoil(operation, kind)
    with pytest.raises(Temporary):
        getattr(world.adapter, method)(world.link, *more)
    answer = getattr(world.adapter, method)(world.link, *more)
    assert method == "fields" or len(answer.records) == 3


@pytest.mark.parametrize("kind", ["html_200", "malformed_json", "half_page", "error_503"])
def test_a_bulk_result_that_is_half_is_asked_for_again(
    world: World, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr(reading, "BULK_FROM", 3)
    monkeypatch.setattr(reading, "PAGE", 3)
    ids = people(world, 7)
    wanted = world.wanted("person", "last")
    wanted = replace(wanted, page=world.adapter.listing(world.link, wanted).next_page)
    first = world.adapter.listing(world.link, wanted)
    wanted = replace(wanted, page=first.next_page)
    world.spoil("jobs.results", kind)
    with pytest.raises(Temporary):
        world.adapter.listing(world.link, wanted)
    rest, _ = world.everything(wanted, is_first=True)
    assert sorted(one.external_id for one in (*first.records, *rest)) == sorted(ids)


def test_what_cannot_be_translated_is_told_with_its_reason() -> None:
    fine = {"Id": "0038M0000016Wv8QAE", "SystemModstamp": "2026-05-06T11:56:44.000+0000", "IsDeleted": False}
    odd = [fine | {"SystemModstamp": "soon"}, fine | {"SystemModstamp": None}, {"Id": "x"}, None, "text"]
    found, unreadable = records.split("Contact", [fine, *odd], "")  # type: ignore[list-item]
    assert [one.external_id for one in found] == ["0038M0000016Wv8QAE"]
    assert [one.external_id for one in unreadable] == ["0038M0000016Wv8QAE", "0038M0000016Wv8QAE", "x", "", ""]
    assert all("unknown form" in one.reason for one in unreadable)


@pytest.mark.parametrize("stamp", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
def test_a_stamp_before_or_after_all_time_costs_its_own_record(stamp: str) -> None:
    found, [odd] = records.split("Contact", [{"Id": "0038M0000016Wv8QAE", "SystemModstamp": stamp}], "")
    assert (found, odd.external_id) == ((), "0038M0000016Wv8QAE")


def test_of_what_is_no_id_a_little_is_kept() -> None:
    _, [odd] = records.split("Contact", [{"Id": "x" * 10_000_000, "SystemModstamp": "2026-05-06T11:56:44Z"}], "")
    assert (len(odd.external_id), len(odd.reason) < 500) == (100, True)


def test_long_notes_come_in_smaller_pages(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "LONG", {"Note": 2})
    firm = world.create("organization", name="LP One")
    rows = [{"Title": f"Note {number}", "Body": TEXT, "ParentId": firm} for number in range(5)]
    ids = world.desk.create("Note", *rows, silent=True)
    wanted = world.wanted("note", "text")
    assert len(world.adapter.listing(world.link, wanted).records) == 2
    found, cursor = world.everything(wanted, is_first=True)
    assert [one.external_id for one in found] == sorted(ids)
    found, _ = world.everything(replace(wanted, cursor=cursor))
    assert sorted(one.external_id for one in found) == sorted(ids)
    assert {one.related for one in found} == {(Related("organization", firm),)}
