"""Mail as touchpoints."""

import dataclasses
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from relationships import touchpoints
from relationships.models import Company, Organization, Person, Touchpoint, User

SENT = datetime(2026, 3, 2, 9, tzinfo=UTC)
NOTHING: frozenset[uuid.UUID] = frozenset()


def mail(key: str, **changes: Any) -> touchpoints.Mail:
    whole = touchpoints.Mail(
        unique_key=key,
        thread_key="thread",
        subject=f"Subject {key}",
        sent_at=SENT,
        is_outgoing=False,
        is_private=True,
        people=NOTHING,
        organizations=NOTHING,
        users=NOTHING,
        answerers=NOTHING,
        guests=({"email": "jane@alder.example", "name": "Jane", "role": "from"},),
        origin="message:1",
    )
    return dataclasses.replace(whole, **changes)


@pytest.fixture
def jane(in_acme: Company) -> Person:
    return Person.objects.create(company=in_acme, display_name="Jane Alder")


def test_a_mail_becomes_one_touchpoint_with_everybody(in_acme: Company, alice: User, bob: User, jane: Person) -> None:
    alder = Organization.objects.create(company=in_acme, name="Alder")
    given = mail(
        "a",
        people=frozenset({jane.pk}),
        organizations=frozenset({alder.pk}),
        users=frozenset({alice.pk, bob.pk}),
        answerers=frozenset({alice.pk}),
    )
    ids = touchpoints.record_mails([given])
    row = Touchpoint.objects.get()
    assert ids == {"a": row.pk}
    assert (row.kind, row.title, row.occurred_at, row.thread_key) == ("email", "Subject a", SENT, "thread")
    assert (row.is_outgoing, row.is_private, row.answerers) == (False, True, [str(alice.pk)])
    assert row.guests == [{"email": "jane@alder.example", "name": "Jane", "role": "from"}]
    assert (set(row.users.all()), list(row.people.all()), list(row.organizations.all())) == (
        {alice, bob},
        [jane],
        [alder],
    )


def test_what_did_not_change_is_not_written(in_acme: Company, alice: User, jane: Person) -> None:
    given = [
        mail(str(number), people=frozenset({jane.pk}), users=frozenset({alice.pk}), answerers=frozenset({alice.pk}))
        for number in range(5)
    ]
    touchpoints.record_mails(given)
    with CaptureQueriesContext(connection) as queries:
        touchpoints.record_mails(given)
    assert len(queries) == 2
    assert all(query["sql"].lstrip("(").startswith("SELECT") for query in queries)


def test_the_same_number_of_queries_for_any_number_of_mails(in_acme: Company, alice: User, jane: Person) -> None:
    def count(size: int) -> int:
        given = [mail(f"{size}-{number}", people=frozenset({jane.pk})) for number in range(size)]
        with CaptureQueriesContext(connection) as queries:
            touchpoints.record_mails(given)
        return len(queries)

    assert count(1) == count(300) == 3


def test_a_colleagues_copy_that_comes_later_joins_and_the_strictest_counts(
    in_acme: Company, alice: User, bob: User
) -> None:
    first = touchpoints.record_mails([mail("a", is_private=False, users=frozenset({alice.pk}))])
    both = mail("a", is_private=True, users=frozenset({alice.pk, bob.pk}), is_outgoing=True)
    assert touchpoints.record_mails([both]) == first
    row = Touchpoint.objects.get()
    assert (row.is_private, row.is_outgoing, set(row.users.all())) == (True, True, {alice, bob})


def test_mail_that_went_is_hidden_and_comes_back(in_acme: Company) -> None:
    touchpoints.record_mails([mail("a"), mail("b")])
    touchpoints.record_mails([], gone=["a"])
    assert list(Touchpoint.objects.filter(cancelled_at=None).values_list("unique_key", flat=True)) == ["b"]
    touchpoints.record_mails([mail("a")])
    assert Touchpoint.objects.filter(cancelled_at=None).count() == 2


def test_a_novel_of_a_subject_is_cut(in_acme: Company) -> None:
    touchpoints.record_mails([mail("a", subject="s" * 900, sent_at=SENT + timedelta(days=1))])
    assert len(Touchpoint.objects.get().title) == 500
