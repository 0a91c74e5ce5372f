"""The ledger: noted before it is sent, settled after, and the same write is the same row."""

from datetime import timedelta

from django.utils import timezone

from crm import ledger, link_errors
from crm.contract import Change, RecordError, Written
from crm.models import RecordLink, Write
from tests.crm.out_scene import Out


def change(link: RecordLink, **values: str) -> Change:
    return Change(str(link.row_id), link.crm_object, values, link.external_id)


def test_a_write_is_noted_as_it_will_be_sent(out: Out) -> None:
    out.linked_firm("Pension One")
    link = RecordLink.objects.get()
    [write] = ledger.plan([(link, change(link, BillingCity="Zug"))])
    stored = Write.objects.get(pk=write.id)
    assert (stored.state, stored.values, stored.is_creation) == ("planned", {"BillingCity": "Zug"}, False)
    assert list(ledger.unsure(out.integration)) == [stored]


def test_planning_the_same_again_after_the_same_look_is_one_row(out: Out) -> None:
    out.linked_firm("Pension One")
    link = RecordLink.objects.get()
    ledger.plan([(link, change(link, BillingCity="Zug"))])
    ledger.plan([(link, change(link, BillingCity="Zug"))])
    assert Write.objects.count() == 1


def test_a_value_that_comes_back_is_a_write_of_its_own(out: Out) -> None:
    """Zug, Bern, Zug: the third is not the first."""
    out.linked_firm("Pension One")
    link = RecordLink.objects.get()
    for city in ("Zug", "Bern", "Zug"):
        [write] = ledger.plan([(link, change(link, BillingCity=city))])
        ledger.settle([(write, Written(str(link.row_id), link.external_id))])
        link.looked_at = timezone.now()
    assert Write.objects.count() == 3
    assert not ledger.unsure(out.integration).exists()


def test_of_very_many_words_the_beginning_is_kept(out: Out) -> None:
    huge = RecordError("unknown", "<html>" + "ö" * 500_000, code="X" * 5_000, field="f" * 5_000)
    row = out.firm("Alder")
    link = out.link("organization", row, "001x")
    columns = link_errors.columns(link, huge, timezone.now())
    assert {name: len(columns[name]) for name in ("error", "error_code", "error_field")} == {
        "error": ledger.LONGEST_WORDS,
        "error_code": link_errors.LONGEST_NAME,
        "error_field": link_errors.LONGEST_NAME,
    }
    assert columns["error"].endswith("…")
    short = RecordError("bad_value", "Not a number.", code="INVALID", field="Score__c")
    assert ledger.words(short) == "INVALID: Not a number."


def test_settling_keeps_what_the_crm_made_of_it_or_its_words(out: Out) -> None:
    out.linked_firm("One")
    out.linked_firm("Two")
    links = out.links("organization")
    writes = ledger.plan([(link, change(link, BillingCity="Zug")) for link in links])
    refusal = RecordError("rule", "Not on Mondays.", "VALIDATION")
    answers = [Written("1", links[0].external_id, held={"BillingCity": "Zoug"}), Written("2", error=refusal)]
    ledger.settle(list(zip(writes, answers, strict=True)))
    first, second = Write.objects.get(link=links[0]), Write.objects.get(link=links[1])
    assert (first.state, first.held, first.done_at is not None) == ("done", {"BillingCity": "Zoug"}, True)
    assert (second.state, second.error) == ("refused", "VALIDATION: Not on Mondays.")


def test_what_was_never_sent_is_forgotten_and_old_writes_too(out: Out) -> None:
    out.linked_firm("Pension One")
    link = RecordLink.objects.get()
    writes = ledger.plan([(link, change(link, BillingCity="Zug"))])
    ledger.withdraw(writes)
    assert not Write.objects.exists()
    [write] = ledger.plan([(link, change(link, BillingCity="Bern"))])
    ledger.settle([(write, Written(str(link.row_id), link.external_id))])
    assert ledger.forget(timezone.now() - timedelta(days=1)) == 0
    assert ledger.forget(timezone.now() + timedelta(days=1)) == 1
