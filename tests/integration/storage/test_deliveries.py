"""The outbox, on both databases."""

import pytest

from storage.errors import UnknownRecord
from storage.outbox import deliveries
from storage.records import DeliveryState, NewDelivery
from storage.signals import Topic
from storage.worklist import workitems
from tests.factories.rows import after, an_evidence, claim, receive, settle


@pytest.fixture
def outbox(database):
    """Two objects for ``pacs``, one of them for ``archive`` too."""
    receive(database, 1)
    wanted = (
        NewDelivery("pacs", "1.7.1"),
        NewDelivery("pacs", "1.7.2"),
        NewDelivery("archive", "1.7.1", required=False),
    )
    settle(database, *claim(database), (an_evidence(1), an_evidence(2)), wanted)
    return database


def due(database, destination="pacs", at=2000, **options):
    wanted = {"limit": 99, "lease_s": 60.0} | options
    with database.transaction() as tx:
        return deliveries.due(tx, destination=destination, now=after(at), **wanted)


def test_what_is_due_comes_with_the_object_it_is_about(outbox):
    first, second = due(outbox)
    assert first.delivery.sop_instance_uid == "1.7.1"
    assert first.evidence == an_evidence(1, workitem_uid="1.9.1")
    assert second.evidence.sop_instance_uid == "1.7.2"
    assert first.delivery.attempts == 1
    assert first.delivery.lease_until == after(2060)


def test_nobody_else_gets_a_leased_row_until_the_lease_ends(outbox):
    assert len(due(outbox, limit=1)) == 1
    assert [row.delivery.sop_instance_uid for row in due(outbox)] == ["1.7.2"]
    assert due(outbox, at=2060) == []
    again = due(outbox, at=2061)
    assert [row.delivery.attempts for row in again] == [2, 2]


def test_destinations_do_not_wait_for_each_other(outbox):
    due(outbox, "pacs")
    with outbox.transaction(read_only=True) as tx:
        assert deliveries.destinations_due(tx, after(2000)) == {"archive"}
        assert deliveries.destinations_due(tx, after(2061)) == {"pacs", "archive"}
        assert deliveries.destinations_due(tx, after(1009)) == set()
    assert len(due(outbox, "archive")) == 1


def test_what_was_sent_is_not_due_again(outbox):
    row, _ = due(outbox)
    delivery_id = row.delivery.delivery_id
    with outbox.transaction() as tx:
        assert deliveries.sent(tx, delivery_id, status=0xB000, now=after(2001))
        assert not deliveries.sent(tx, delivery_id, status=0, now=after(2002))
    with outbox.transaction(read_only=True) as tx:
        found = deliveries.get(tx, delivery_id)
    assert (found.state, found.last_status) == (DeliveryState.SENT, 0xB000)
    assert (found.sent_at, found.lease_until) == (after(2001), None)
    assert [row.delivery.sop_instance_uid for row in due(outbox, at=9999)] == ["1.7.2"]


def test_a_postponed_delivery_is_due_at_its_time(outbox):
    row, other = due(outbox)
    with outbox.transaction() as tx:
        assert deliveries.try_again(
            tx,
            row.delivery.delivery_id,
            next_try_at=after(2500),
            error="A700",
            status=0xA700,
        )
        deliveries.sent(tx, other.delivery.delivery_id, status=0, now=after(2001))
        assert deliveries.next_due_at(tx, "pacs") == after(2500)
        assert deliveries.next_due_at(tx) == after(1010)
    assert due(outbox, at=2499) == []
    (again,) = due(outbox, at=2500)
    assert again.delivery.attempts == 2
    assert (again.delivery.last_status, again.delivery.last_error) == (0xA700, "A700")


def test_what_waits_for_a_destination_that_is_back_is_due_at_once(outbox):
    row, _ = due(outbox)
    watch = outbox.watch(Topic.DELIVERY)
    with outbox.transaction() as tx:
        deliveries.try_again(
            tx,
            row.delivery.delivery_id,
            next_try_at=after(90000),
            error="unreachable",
        )
    assert not watch.wait(0)
    with outbox.transaction() as tx:
        assert deliveries.hasten(tx, "pacs", after(2002)) == 1
    assert watch.wait(0)
    (again,) = due(outbox, at=2002)
    assert again.delivery.delivery_id == row.delivery.delivery_id


def test_a_leased_row_is_next_due_when_its_lease_ends(outbox):
    due(outbox)
    with outbox.transaction(read_only=True) as tx:
        assert deliveries.next_due_at(tx, "pacs") == after(2060)
        assert deliveries.next_due_at(tx, "nobody") is None


def test_a_late_answer_never_undoes_a_success(outbox):
    row, _ = due(outbox)
    key = row.delivery.delivery_id
    with outbox.transaction() as tx:
        deliveries.sent(tx, key, status=0, now=after(2001))
        assert not deliveries.failed(tx, key, error="late", now=after(2002))
        assert not deliveries.try_again(tx, key, next_try_at=after(3000), error="late")
        assert deliveries.get(tx, key).state is DeliveryState.SENT


def test_a_late_success_counts_although_it_was_given_up(outbox):
    row, _ = due(outbox)
    key = row.delivery.delivery_id
    with outbox.transaction() as tx:
        assert deliveries.failed(tx, key, error="time-out", now=after(2001))
        assert deliveries.get(tx, key).state is DeliveryState.FAILED
        assert deliveries.sent(tx, key, status=0, now=after(2002))


def test_an_object_the_destination_refuses_is_replaced_by_another(outbox):
    row, other = due(outbox)
    fallback = an_evidence(9, sop_class_uid="1.2.840.10008.5.1.4.1.1.88.22")
    with outbox.transaction() as tx:
        deliveries.sent(tx, other.delivery.delivery_id, status=0, now=after(2001))
        for _ in range(2):
            deliveries.superseded(
                tx,
                row.delivery.delivery_id,
                by=fallback,
                error="class not accepted",
                now=after(2002),
            )
        assert not workitems.complete_if_delivered(tx, "1.9.1", after(2003))
    (instead,) = due(outbox, at=2002)
    assert instead.evidence.sop_class_uid == fallback.sop_class_uid
    assert instead.delivery.required
    with outbox.transaction() as tx:
        old = deliveries.get(tx, row.delivery.delivery_id)
        assert (old.state, old.superseded_by) == (DeliveryState.SUPERSEDED, "1.7.9")
        deliveries.sent(tx, instead.delivery.delivery_id, status=0, now=after(2004))
        assert workitems.complete_if_delivered(tx, "1.9.1", after(2004))


def test_rows_are_counted_by_destination_and_state(outbox):
    row, _ = due(outbox)
    with outbox.transaction() as tx:
        deliveries.failed(tx, row.delivery.delivery_id, error="no", now=after(2001))
        counts = deliveries.counts(tx)
    assert counts["pacs"][DeliveryState.FAILED] == 1
    assert counts["pacs"][DeliveryState.PENDING] == 1
    assert counts["archive"][DeliveryState.PENDING] == 1
    assert counts["archive"][DeliveryState.SENT] == 0


def test_an_unknown_delivery_is_an_error(outbox):
    with outbox.transaction() as tx, pytest.raises(UnknownRecord):
        deliveries.sent(tx, 404, status=0, now=after(2000))
