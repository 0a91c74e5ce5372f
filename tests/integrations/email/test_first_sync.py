"""What a first sync of a mailbox stores, and what it leaves out."""

import uuid
from collections.abc import Collection

import pytest

from integrations.email import searches
from integrations.email.models import EmailMessage, EmailParty, MailSearch, MailToRead
from integrations.models import SyncState
from relationships import follow_ups
from relationships.models import FollowUp, Person, Touchpoint, User
from tests.integrations.email.conftest import LinkMemory, Sync
from tests.integrations.email.memory import ALICE, LP, MemoryMail, mail

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("lena", "in_acme")]


def touchpoints() -> dict[str, Touchpoint]:
    return {row.title: row for row in Touchpoint.unscoped.filter(cancelled_at=None)}


def test_mail_with_known_people_becomes_touchpoints(
    box: MemoryMail, alice: User, lena: Person, link_memory: LinkMemory, sync: Sync
) -> None:
    box.put(mail("in", LP, ALICE), mail("out", ALICE, LP), mail("cc", "ben@oak.example", ALICE, cc=[LP]))
    box.put(mail("firm", "new@ir.alder.example", ALICE), mail("colleague-at-firm", ALICE, "board@alder.example"))
    state = link_memory(alice)

    run = sync(state)

    assert (run.kind, run.outcome, run.error) == ("first", "done", "")
    found = touchpoints()
    assert found.keys() == {f"Subject {name}" for name in ("in", "out", "cc", "firm", "colleague-at-firm")}
    assert found["Subject in"].is_outgoing is False
    assert found["Subject in"].answerers == [str(alice.pk)]
    assert found["Subject out"].is_outgoing is True
    assert found["Subject out"].answerers == [str(alice.pk)]
    assert set(found["Subject in"].people.all()) == {lena}
    assert set(found["Subject firm"].people.all()) == set()
    assert [firm.name for firm in found["Subject firm"].organizations.all()] == ["Alder Pension"]
    assert all(row.kind == "email" and row.is_private for row in found.values())
    assert not MailToRead.unscoped.exists()
    assert set(MailSearch.unscoped.values_list("purpose", flat=True)) == {"first"}
    assert state.cursor == str(len(box.history))


def test_of_mail_with_nobody_known_nothing_is_stored(
    box: MemoryMail, alice: User, link_memory: LinkMemory, sync: Sync
) -> None:
    state = link_memory(alice)
    sync(state)
    box.put(mail("stranger", "ben@oak.example", ALICE), mail("inside", "bob@acme.example", ALICE))
    box.put(mail("known", LP, ALICE))

    run = sync(state)

    assert run.skipped == {"unknown": 1, "internal": 1}
    assert set(EmailMessage.unscoped.values_list("external_id", flat=True)) == {"known"}
    assert set(EmailParty.unscoped.values_list("email", flat=True)) == {LP, ALICE}
    assert not MailToRead.unscoped.exists()


@pytest.mark.parametrize(
    ("automatic", "verdict"), [("auto_reply", "automatic"), ("list", "list"), ("invitation", "invitation")]
)
def test_what_no_person_wrote_is_kept_and_is_no_exchange(
    box: MemoryMail, alice: User, link_memory: LinkMemory, sync: Sync, automatic: str, verdict: str
) -> None:
    box.put(mail("one", LP, ALICE, automatic=automatic))

    run = sync(link_memory(alice))

    assert EmailMessage.unscoped.get().verdict == verdict
    assert run.skipped == {verdict: 1}
    assert not Touchpoint.unscoped.exists()


def test_who_owes_an_answer_is_found_out_once_at_the_end(
    box: MemoryMail, alice: User, link_memory: LinkMemory, sync: Sync, monkeypatch: pytest.MonkeyPatch
) -> None:
    box.put(*[mail(f"m{number}", LP, ALICE, days=-1 - number / 10) for number in range(9)])
    reviewed: list[set[str]] = []
    original = follow_ups.review

    def review(company_id: uuid.UUID, thread_keys: Collection[str]) -> int:
        reviewed.append(set(thread_keys))
        return original(company_id, thread_keys)

    monkeypatch.setattr(follow_ups, "review", review)
    with monkeypatch.context() as patch:
        patch.setattr(searches, "finish", lambda mailbox: _killed())
        with pytest.raises(SystemExit):
            sync(link_memory(alice))
    assert reviewed == []
    assert FollowUp.objects.count() == 0
    assert MailSearch.objects.filter(read_at=None).exists()

    state = SyncState.objects.get()
    SyncState.objects.update(held_by=None, held_until=None)
    sync(state)

    assert [len(keys) for keys in reviewed] == [9]
    assert FollowUp.objects.filter(side="ours").count() == 9
    assert not MailSearch.objects.filter(read_at=None).exists()

    box.put(mail("reply", ALICE, LP, thread="t-m0", in_reply_to="m0@mail.example", days=0))
    sync(state)
    assert len(reviewed) == 2
    assert FollowUp.objects.get(touchpoint__title="Subject m0", side="ours").outcome == "answered"


def _killed() -> None:
    raise SystemExit
