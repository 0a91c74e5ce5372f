"""Mails of one conversation get one key, whoever reads them, in whatever order and however many at once."""

import uuid
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from integrations.contract import MessageCopy
from integrations.email import conversations
from integrations.email.models import EmailMessage, EmailThread
from integrations.models import Integration, SyncState
from relationships.models import Company, User
from tests.integrations.email.memory import ALICE, LP, mail

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("in_acme")]


@pytest.fixture
def mailboxes(alice: User, bob: User) -> list[SyncState]:
    found = []
    for user in (alice, bob):
        integration = Integration.objects.create(
            company=user.company,
            user=user,
            provider="memory",
            integration_type="email",
            encrypted_tokens=b"",
            external_account_id=f"account-{user.name}",
        )
        found.append(
            SyncState.objects.create(
                company=user.company, integration=integration, resource_type="mailbox", external_id="me"
            )
        )
    return found


def read(state: SyncState, *copies: MessageCopy) -> None:
    """Store these as the reading does."""
    keys, _ = conversations.keys(state, copies)
    for copy in copies:
        thread, _ = EmailThread.objects.get_or_create(
            company_id=state.company_id, state=state, external_id=copy.thread_id or copy.external_id
        )
        EmailMessage.objects.create(
            company_id=state.company_id,
            state=state,
            thread=thread,
            external_id=copy.external_id,
            unique_key=conversations.unique_key(copy, state),
            thread_key=keys[copy.external_id],
            sent_at=copy.sent_at,
        )


def key_of(copy: MessageCopy) -> set[str]:
    """The keys that the copies of a mail have."""
    rows = EmailMessage.objects.filter(unique_key=conversations.digest(copy.message_id))
    return set(rows.values_list("thread_key", flat=True))


def talk(name: str, parents: list[int], is_threaded: bool, is_cut: bool) -> list[MessageCopy]:
    """A conversation: each mail answers one before it, and cites the first of all unless its references are cut."""
    copies = [mail(f"{name}0", LP, ALICE, days=-30, thread=f"t-{name}")]
    for number, parent in enumerate(parents, start=1):
        answered = copies[parent % number]
        cited = () if is_cut else (copies[0].message_id, answered.message_id)
        copy = mail(f"{name}{number}", ALICE, LP, days=-30 + number, thread=f"t-{name}")
        copies.append(replace(copy, references=cited, in_reply_to=answered.message_id))
    return [copy if is_threaded else replace(copy, thread_id=f"t-{copy.external_id}") for copy in copies]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    data=st.data(),
    parents=st.lists(st.integers(0, 5), max_size=5),
    others=st.lists(st.integers(0, 5), max_size=3),
    told_by=st.sampled_from(["thread", "references", "both"]),
)
def test_one_conversation_has_one_key_in_any_order(
    mailboxes: list[SyncState],
    data: st.DataObject,
    parents: list[int],
    others: list[int],
    told_by: str,
) -> None:
    is_threaded, is_cut = told_by != "references", told_by == "thread"
    run = uuid.uuid4().hex[:8]
    one, other = talk(f"a{run}", parents, is_threaded, is_cut), talk(f"b{run}", others, is_threaded, is_cut)
    held = [
        (mailboxes[number], replace(copy, thread_id=f"{copy.thread_id}-{number}"))
        for copy in [*one, *other]
        for number in sorted(data.draw(st.sets(st.sampled_from([0, 1]), min_size=1)))
    ]
    order = data.draw(st.permutations(held))
    size = data.draw(st.integers(1, 4))
    for state in mailboxes:
        mine = [copy for owner, copy in order if owner == state]
        for start in range(0, len(mine), size):
            read(state, *mine[start : start + size])

    keys = [set().union(*(key_of(copy) for copy in whole)) for whole in (one, other)]
    assert [len(found) for found in keys] == [1, 1]
    assert keys[0].isdisjoint(keys[1])


def test_two_conversations_that_turn_out_to_be_one_get_one_key(mailboxes: list[SyncState]) -> None:
    first, second = mail("first", LP, ALICE, thread="x"), mail("second", ALICE, LP, thread="y")
    alices, _ = mailboxes
    read(alices, first)
    read(alices, second)
    assert key_of(first) != key_of(second)

    bridge = replace(mail("bridge", LP, ALICE, thread="x"), in_reply_to=second.message_id)
    _, touched = conversations.keys(alices, [bridge])

    assert key_of(first) == key_of(second)
    assert touched
    assert set(touched) <= {conversations.digest(copy.message_id) for copy in (first, second)}


def test_a_mail_without_a_message_id_is_one_by_itself(mailboxes: list[SyncState], acme: Company) -> None:
    nameless = replace(mail("nameless", LP, ALICE), message_id="")
    alices, bobs = mailboxes
    assert conversations.unique_key(nameless, alices) != conversations.unique_key(nameless, bobs)
    keys, touched = conversations.keys(alices, [nameless])
    assert keys == {"nameless": conversations.unique_key(nameless, alices)}
    assert not touched
