"""What a recall means for the outbox, on both kinds of database."""

import pytest

from storage.outbox import recalls
from storage.records import Delivery, DeliveryState, NewDelivery
from storage.worklist import jobs
from tests.factories.rows import an_evidence, claim, receive, settle


def test_what_is_withdrawn_is_not_sent_any_more(database):
    receive(database, 1)
    settle(
        database, *claim(database), (an_evidence(),), (NewDelivery("pacs", "1.7.1"),)
    )
    with database.transaction() as tx:
        recalls.withdraw(tx, "1.9.1")
        (row,) = jobs.get_job(tx, "1.9.1").deliveries
    assert row.state is DeliveryState.CANCELED


@pytest.mark.parametrize(
    ("state", "attempts", "status", "held"),
    [
        (DeliveryState.SENT, 1, 0, True),
        (DeliveryState.COMMITTED, 1, 0, True),
        (DeliveryState.PENDING, 0, None, False),
        (DeliveryState.PENDING, 1, None, True),
        (DeliveryState.PENDING, 1, 0xA700, False),
        (DeliveryState.FAILED, 3, 0xC000, False),
        (DeliveryState.CANCELED, 1, None, True),
        (DeliveryState.SUPERSEDED, 1, None, False),
    ],
)
def test_an_object_may_be_held_where_a_try_had_no_answer(state, attempts, status, held):
    row = Delivery(1, "1.9.1", "1.7.1", "pacs", required=True, state=state)
    changed = {"attempts": attempts, "last_status": status}
    values = {name: getattr(row, name) for name in row.__slots__} | changed
    assert recalls.may_be_held(Delivery(**values)) is held
