"""What was received, on both databases."""

from dataclasses import replace

import pytest

from storage.catalog import arrivals, instances, quarantine, retention
from storage.database import Database
from storage.errors import CursorInvalid, DuplicateInstance, UnknownRecord
from storage.objects.protocol import StoredObject
from storage.outbox import deliveries
from storage.records import (
    Cause,
    InstanceState,
    NewDelivery,
    Reason,
)
from storage.worklist import repeats, workitems
from tests.factories.rows import (
    NOW,
    after,
    an_evidence,
    an_instance,
    claim,
    new_uid,
    receive,
    settle,
    steps_at,
)

LATERAL = Reason("VIEW_LATERAL", "A lateral view.", Cause.IMAGE)
TO_PACS = (NewDelivery("pacs", "1.7.1"),)


def state_of(database: Database, number: int = 1) -> InstanceState:
    with database.transaction(read_only=True) as tx:
        return instances.get_status(tx, f"1.2.3.{number}").state


def list_uids(database: Database, **filters) -> list[str]:
    with database.transaction(read_only=True) as tx:
        page = arrivals.list_instances(tx, **filters)
    return [status.instance.sop_instance_uid for status in page.items]


def test_an_instance_comes_back_as_it_went_in(database):
    instance = an_instance(not_eligible=LATERAL, size_bytes=5_000_000_000)
    with database.transaction() as tx:
        instances.add_instance(tx, instance)
    with database.transaction(read_only=True) as tx:
        assert instances.get_instance(tx, instance.sop_instance_uid) == instance


def test_the_same_bytes_again_are_no_news(database):
    with database.transaction() as tx:
        assert instances.add_instance(tx, an_instance())
    with database.transaction() as tx:
        assert not instances.add_instance(tx, an_instance(received_at=after(99)))
        assert instances.get_instance(tx, "1.2.3.1").received_at == after(1)


def test_other_bytes_under_a_known_uid_are_refused_and_kept_apart(database):
    other = StoredObject("ff/ff", 7, "f" * 64)
    with database.transaction() as tx:
        instances.add_instance(tx, an_instance())
    with database.transaction() as tx:
        with pytest.raises(DuplicateInstance):
            instances.add_instance(tx, an_instance(sha256=other.sha256))
        for _ in range(2):
            quarantine.keep_apart(tx, "1.2.3.1", other, "MODALITY2", NOW)
    with database.transaction(read_only=True) as tx:
        (kept,) = quarantine.list_quarantined(tx)
        assert (kept.object_key, kept.calling_ae) == ("ff/ff", "MODALITY2")
        assert instances.get_instance(tx, "1.2.3.1").sha256 == an_instance().sha256


def test_an_unknown_instance_is_an_error(database):
    with database.transaction(read_only=True) as tx:
        with pytest.raises(UnknownRecord):
            instances.get_instance(tx, "1.2.3.404")
        with pytest.raises(UnknownRecord):
            instances.get_status(tx, "1.2.3.404")


def test_text_that_a_database_cannot_hold_is_made_storable(database):
    instance = an_instance(patient_id="A\0B\udcff", accession_number="é漢字")
    with database.transaction() as tx:
        instances.add_instance(tx, instance)
    with database.transaction(read_only=True) as tx:
        stored = instances.get_instance(tx, instance.sop_instance_uid)
    assert (stored.patient_id, stored.accession_number) == ("AB?", "é漢字")


def test_the_visible_state_follows_the_workitem(database):
    receive(database, 1)
    assert state_of(database) is InstanceState.QUEUED
    (item,) = claim(database)
    assert state_of(database) is InstanceState.ANALYZING
    settle(database, item, (an_evidence(),), TO_PACS)
    assert state_of(database) is InstanceState.DELIVERING
    with database.transaction() as tx:
        (row,) = deliveries.due(
            tx, destination="pacs", limit=1, now=after(1020), lease_s=9
        )
        deliveries.failed(
            tx, row.delivery.delivery_id, error="refused", now=after(1021)
        )
        workitems.end_given_up(tx, after(1021))
    assert state_of(database) is InstanceState.FAILED
    again = steps_at(database, 1030).retry(item.workitem_uid)
    assert state_of(database) is InstanceState.DELIVERING
    with database.transaction() as tx:
        deliveries.sent(tx, row.delivery.delivery_id, status=0, now=after(1040))
        workitems.complete_if_delivered(tx, again, after(1040))
    assert state_of(database) is InstanceState.DELIVERED


@pytest.mark.parametrize(
    ("cause", "state"),
    [
        (Cause.IMAGE, InstanceState.NOT_ELIGIBLE),
        (Cause.FAILURE, InstanceState.FAILED),
        (Cause.REQUEST, InstanceState.CANCELED),
    ],
)
def test_a_canceled_workitem_shows_whose_doing_it_was(database, cause, state):
    receive(database, 1)
    with database.transaction() as tx:
        workitems.cancel(tx, "1.9.1", Reason("WHY", "Because.", cause), after(9))
    assert state_of(database) is state
    assert list_uids(database, state=state, reason="WHY") == ["1.2.3.1"]


def test_a_retry_is_what_counts_for_the_visible_state(database):
    receive(database, 1)
    with database.transaction() as tx:
        workitems.cancel(tx, "1.9.1", Reason("WHY", "Because."), after(9))
        renewed = repeats.renew(tx, "1.9.1", after(10), new_uid)
    with database.transaction(read_only=True) as tx:
        status = instances.get_status(tx, "1.2.3.1")
    assert status.state is InstanceState.QUEUED
    assert status.workitem is not None
    assert status.workitem.workitem_uid == renewed
    assert list_uids(database) == ["1.2.3.1"]


def test_an_ineligible_instance_needs_no_workitem(database):
    with database.transaction() as tx:
        instances.add_instance(tx, an_instance(not_eligible=LATERAL))
    with database.transaction(read_only=True) as tx:
        status = instances.get_status(tx, "1.2.3.1")
    assert (status.state, status.workitem) == (InstanceState.NOT_ELIGIBLE, None)
    assert list_uids(database, reason="VIEW_LATERAL") == ["1.2.3.1"]
    assert list_uids(database, reason="VIEW_UNKNOWN") == []


def test_a_listing_turns_its_pages_without_gaps_while_rows_arrive(database):
    # Three instants for seven rows: ties are broken by the UID.
    with database.transaction() as tx:
        for number in range(1, 8):
            instances.add_instance(
                tx, an_instance(number, received_at=after(number // 3))
            )
    seen, cursor, pages = [], None, 0
    while pages == 0 or cursor:
        with database.transaction() as tx:
            page = arrivals.list_instances(tx, limit=2, cursor=cursor)
            instances.add_instance(tx, an_instance(100 + pages, received_at=after(99)))
        seen += [status.instance.sop_instance_uid for status in page.items]
        cursor, pages = page.next_cursor, pages + 1
    assert seen == [f"1.2.3.{number}" for number in (7, 6, 5, 4, 3, 2, 1)]


def test_a_listing_filters_by_every_identifier(database):
    with database.transaction() as tx:
        instances.add_instance(tx, an_instance(1))
        instances.add_instance(
            tx,
            an_instance(
                2, study_instance_uid="5", series_instance_uid="6", calling_ae="OTHER"
            ),
        )
    filters = {
        "sop_instance_uid": "1.2.3.2",
        "study_instance_uid": "5",
        "series_instance_uid": "6",
        "patient_id": "P2",
        "accession_number": "A2",
        "calling_ae": "OTHER",
        "since": after(2),
    }
    for name, value in filters.items():
        assert list_uids(database, **{name: value}) == ["1.2.3.2"], name
    assert len(list_uids(database, patient_id=None)) == 2


@pytest.mark.parametrize("cursor", ["nonsense!", "", "MjAyNnwx", "MjAyNi0wMS0wMXwx"])
def test_a_cursor_of_ones_own_making_is_refused(database, cursor):
    with database.transaction(read_only=True) as tx, pytest.raises(CursorInvalid):
        arrivals.list_instances(tx, cursor=cursor)


def test_instances_are_counted_by_visible_state(database):
    receive(database, 1, 2, 3)
    claim(database)
    with database.transaction(read_only=True) as tx:
        counts = instances.count_instances(tx)
    assert counts[InstanceState.QUEUED] == 2
    assert counts[InstanceState.ANALYZING] == 1
    assert set(counts) == set(InstanceState)


def test_own_results_are_recognised(database):
    receive(database, 1)
    settle(database, *claim(database), (an_evidence(),))
    with database.transaction(read_only=True) as tx:
        assert instances.is_own_result(tx, "1.7.1")
        assert not instances.is_own_result(tx, "1.2.3.1")


def test_retention_never_takes_what_is_not_delivered(database):
    receive(database, 1, 2, 3, 4)
    delivered, waiting, failed = claim(database, limit=3)
    settle(database, delivered, (an_evidence(1),), (), now=after(1010))
    settle(database, waiting, (an_evidence(2),), (NewDelivery("pacs", "1.7.2"),))
    with database.transaction() as tx:
        workitems.cancel(tx, failed.workitem_uid, Reason("BUG", "A bug."), after(1010))
    with database.transaction() as tx:
        assert retention.expired_sources(tx, after(1010)) == []
        (source,) = retention.expired_sources(tx, after(1011))
        (result,) = retention.expired_evidence(tx, after(1011))
        assert source.sop_instance_uid == delivered.sop_instance_uid
        assert result.sop_instance_uid == "1.7.1"


def test_retention_keeps_results_that_a_rerun_still_needs(database):
    receive(database, 1)
    settle(database, *claim(database), (an_evidence(),), TO_PACS)
    steps_at(database, 1020).request_cancel("1.9.1")
    renewed = steps_at(database, 1021).retry("1.9.1")
    (rerun,) = claim(database, now=after(1022))
    settle(database, rerun, (an_evidence(),), TO_PACS)
    with database.transaction() as tx:
        (row,) = deliveries.due(
            tx, destination="pacs", limit=9, now=after(1030), lease_s=9
        )
        key = row.delivery.delivery_id
        deliveries.failed(tx, key, error="refused", now=after(1031))
        assert retention.expired_evidence(tx, after(9000)) == []
    steps_at(database, 1040).retry(renewed)
    with database.transaction() as tx:
        deliveries.sent(tx, key, status=0, now=after(1041))
        workitems.complete_if_delivered(tx, renewed, after(1041))
        assert retention.expired_evidence(tx, after(1041)) == []
        assert len(retention.expired_evidence(tx, after(1042))) == 2


def test_retention_keeps_what_was_given_up_for_an_administrators_retry(database):
    receive(database, 1)
    settle(database, *claim(database), (an_evidence(),), TO_PACS)
    with database.transaction() as tx:
        (row,) = deliveries.due(
            tx, destination="pacs", limit=9, now=after(1030), lease_s=9
        )
        deliveries.failed(
            tx, row.delivery.delivery_id, error="refused", now=after(1031)
        )
        assert [one.workitem_uid for one in workitems.end_given_up(tx, after(1032))]
        assert workitems.end_given_up(tx, after(1033)) == []
        assert retention.expired_evidence(tx, after(9000)) == []
        assert retention.expired_sources(tx, after(9000)) == []
        workitems.recall(tx, "1.9.1", note_uid=None, reason="quality", now=after(1040))
        assert len(retention.expired_evidence(tx, after(9000))) == 1


def test_a_result_that_came_back_stays_as_long_as_results_do(database):
    receive(database, 1)
    ours = an_evidence(created_at=after(1000))
    settle(database, *claim(database), (ours,), now=after(1010))
    back = an_instance(
        7,
        sop_instance_uid=ours.sop_instance_uid,
        object_key=ours.object_key,
        not_eligible=LATERAL,
        received_at=after(1020),
    )
    with database.transaction() as tx:
        instances.add_instance(tx, back)
        expired = retention.expired_sources(tx, after(9000))
        assert [one.sop_instance_uid for one in expired] == ["1.2.3.1"]
        assert len(retention.expired_evidence(tx, after(9000))) == 1
        key = retention.forget_object(tx, ours.sop_instance_uid, after(9000))
        assert key == ours.object_key


def test_retention_waits_for_optional_destinations_with_the_results(database):
    receive(database, 1)
    settle(
        database,
        *claim(database),
        (an_evidence(),),
        (NewDelivery("archive", "1.7.1", required=False),),
    )
    with database.transaction() as tx:
        assert state_of_tx(tx) is InstanceState.DELIVERED
        assert retention.expired_evidence(tx, after(5000)) == []


def state_of_tx(tx) -> InstanceState:
    return instances.get_status(tx, "1.2.3.1").state


def test_a_forgotten_object_is_deleted_once_and_nothing_else_lost(database):
    receive(database, 1)
    settle(database, *claim(database), (an_evidence(),))
    with database.transaction() as tx:
        key = retention.forget_object(tx, "1.2.3.1", after(2000))
        assert key == an_instance().object_key
        assert retention.forget_object(tx, "1.2.3.1", after(2001)) is None
        assert retention.forget_object(tx, "1.7.1", after(2000)) is not None
        with pytest.raises(UnknownRecord):
            retention.forget_object(tx, "1.2.3.404", after(2000))
    with database.transaction(read_only=True) as tx:
        assert instances.get_instance(tx, "1.2.3.1").object_removed_at == after(2000)
        assert retention.expired_sources(tx, after(9000)) == []
        assert retention.expired_evidence(tx, after(9000)) == []
        assert instances.is_own_result(tx, "1.7.1")


def test_bytes_that_something_else_needs_are_not_deleted(database):
    with database.transaction() as tx:
        instances.add_instance(tx, an_instance(1))
        shared = an_instance(1)
        instances.add_instance(
            tx, replace(an_instance(2), object_key=shared.object_key)
        )
        assert retention.forget_object(tx, "1.2.3.1", NOW) is None
        assert retention.forget_object(tx, "1.2.3.2", NOW) == shared.object_key


def test_unreferenced_keys_are_those_of_no_row(database):
    receive(database, 1)
    settle(database, *claim(database), (an_evidence(),))
    known = [an_instance().object_key, an_evidence().object_key, "qq"]
    with database.transaction() as tx:
        stored = StoredObject("qq", 1, "0" * 64)
        quarantine.keep_apart(tx, "1.2.3.1", stored, "MODALITY1", NOW)
        assert retention.unreferenced(tx, [*known, "zz"]) == {"zz"}


def test_an_image_that_comes_back_after_retention_has_its_bytes_again(database):
    with database.transaction() as tx:
        instances.add_instance(tx, an_instance())
        retention.forget_object(tx, "1.2.3.1", NOW)
        assert not instances.add_instance(tx, an_instance())
        assert instances.get_instance(tx, "1.2.3.1").object_removed_at is None
