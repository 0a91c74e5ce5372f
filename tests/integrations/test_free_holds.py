"""After a worker died its syncs are free again; one that lives after all can store nothing more."""

import uuid
from datetime import timedelta

import pytest
from django.utils import timezone
from django_q.models import OrmQ

from integrations import grants, runs, sync_states
from integrations.models import Integration, SyncRun, SyncState
from lpxgp import worker
from relationships import tenancy
from relationships.models import User


def held_state(alice: User) -> SyncState:
    linked = Integration.unscoped.create(
        company=alice.company,
        user=alice,
        provider="google",
        integration_type="calendar",
        encrypted_tokens=b"",
        external_account_id="118",
    )
    return SyncState.unscoped.create(
        company=alice.company,
        integration=linked,
        resource_type="calendar",
        external_id="primary",
        is_chosen=True,
        dirty_mark=1,
        held_by=uuid.uuid4(),
        held_until=timezone.now() + timedelta(minutes=2),
    )


def test_a_sync_whose_cluster_died_is_queued_again_at_once(alice: User) -> None:
    state = held_state(alice)
    assert sync_states.queue_due() == 0

    worker.give_back_jobs()

    state.refresh_from_db()
    assert (state.held_by, state.held_until) == (None, None)
    assert sync_states.queue_due() == 1
    assert OrmQ.objects.count() == 1


def test_a_holder_that_lives_after_all_stores_nothing_more(alice: User) -> None:
    state = held_state(alice)
    run = SyncRun.unscoped.create(company=alice.company, state=state, kind=SyncRun.Kind.CHANGES)
    assert state.held_by is not None
    held = runs.Held(state, run, state.held_by, 1, grants.Access("", 0))

    assert runs.free_holds() == 1

    with tenancy.within(state.company_id), pytest.raises(runs.HoldLost):
        runs.store_page(held, "cursor", "", {}, {})
