"""What changed here reaches the CRM: only that, once, and in few calls."""

from tests.crm.out_scene import Out, out

__all__ = ["out"]


def test_a_score_reaches_the_linked_record(out: Out) -> None:
    firm, external_id = out.linked_firm("Pension One", score=82)
    out.push()
    held = out.account(external_id)
    assert (held["LPxGP_Match_Score__c"], held["LPxGP_Summary__c"]) == (82, "Fits well.")
    assert held["LPxGP_Last_Synced__c"]
    [change] = out.crm.writes
    assert set(change.values) == {"LPxGP_Match_Score__c", "LPxGP_Summary__c", "LPxGP_Last_Synced__c"}


def test_a_second_push_sends_nothing(out: Out) -> None:
    out.linked_firm("Pension One", score=82)
    out.push()
    before = out.crm.calls.copy()
    out.push()
    assert out.crm.calls == before
    [write] = out.writes()
    assert write.state == "done"
