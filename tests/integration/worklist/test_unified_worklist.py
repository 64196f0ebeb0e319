"""What Annex CC lets others ask, on both kinds of database."""

import pytest
from pydicom.dataset import Dataset

from dicom_node.dataset.quiet import quiet
from dicom_node.errors import WorkitemRefused
from dicom_node.worklist.unified import unified_worklist
from dicom_node.worklist.unified.subscription import EventType, Herald
from dicom_node.worklist.unified.workitem_content import Place
from dicom_node.worklist.unified.workitem_rules import Fault, Notice
from storage.errors import StoreFull
from storage.records import ProcedureStepState
from storage.worklist import pushed, subscriptions
from storage.worklist.pushed import FILTERED, GLOBAL
from storage.worklist.subscriptions import Channel
from tests.factories.rows import after, claim, receive, settle
from tests.factories.workitems import (
    STATION,
    WATCHER,
    a_step,
    a_wish,
    an_input,
    how_far,
    what_was_done,
    worklist_at,
)

PS = ProcedureStepState
UID, OTHER = "1.2.3.4.5", "1.2.3.4.6"
MINE, THEIRS = "2.25.111", "2.25.222"


@pytest.fixture
def worklist(database):
    return worklist_at(database)


def refusal(ask, *args):
    with pytest.raises(WorkitemRefused) as caught:
        ask(*args)
    return caught.value.fault


def reports(database, ae_title=WATCHER):
    with database.transaction(read_only=True) as tx:
        waiting = subscriptions.waiting(tx, Channel.WEB_SOCKET, ae_title, 100)
    return [
        (
            EventType(one.event_type),
            one.workitem_uid,
            one.information.get("00741000", {}).get("Value", [None])[0],
        )
        for one in waiting
    ]


def herald(database):
    return Herald(database, Place(STATION), lambda: after(0))


def test_a_pushed_workitem_is_given_back_as_it_stands(worklist):
    assert worklist.create(UID, a_step(), "PUSHER").notices == ()
    found = worklist.retrieve(UID)
    assert (found.SOPInstanceUID, found.ProcedureStepState) == (UID, "SCHEDULED")
    assert found.PatientID == "P1"
    assert "TransactionUID" not in found


def test_a_workitem_without_a_uid_gets_one(worklist):
    uid = worklist.create(None, a_step(), "PUSHER").workitem_uid
    assert worklist.retrieve(uid).SOPInstanceUID == uid


@pytest.mark.parametrize("uid", [GLOBAL, FILTERED, "1..2", "a", "1" * 65])
def test_a_uid_that_is_no_workitems_is_refused(worklist, uid):
    assert refusal(worklist.create, uid, a_step(), "PUSHER") is Fault.INVALID_UID


def test_a_workitem_is_created_once(worklist):
    worklist.create(UID, a_step(), "PUSHER")
    assert refusal(worklist.create, UID, a_step(), "P") is Fault.ALREADY_EXISTS


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"ProcedureStepState": "IN PROGRESS"}, Fault.NOT_SCHEDULED),
        ({"ProcedureStepLabel": None}, Fault.MISSING_ATTRIBUTE),
        ({"ProcedureStepLabel": ""}, Fault.MISSING_VALUE),
        ({"ScheduledProcedureStepPriority": "URGENT"}, Fault.INVALID_VALUE),
        ({"InputReadinessState": "PERHAPS"}, Fault.INVALID_VALUE),
        ({"ScheduledProcedureStepStartDateTime": "noon"}, Fault.INVALID_VALUE),
        ({"TransactionUID": MINE}, Fault.NOT_ALLOWED),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.1"}, Fault.INVALID_VALUE),
    ],
)
def test_what_cannot_become_a_workitem_is_refused(worklist, changes, fault):
    assert refusal(worklist.create, UID, a_step(**changes), "PUSHER") is fault
    assert refusal(worklist.retrieve, UID) is Fault.NO_SUCH_WORKITEM


def test_what_may_be_empty_is_added_and_said(worklist):
    step = a_step(PatientName=None, ReferencedRequestSequence=None)
    notices = worklist.create(UID, step, "PUSHER").notices
    assert notices == (Notice.CREATED_WITH_MODIFICATIONS,)
    assert worklist.retrieve(UID)["ReferencedRequestSequence"].value == []


def test_who_claims_a_workitem_completes_it(worklist):
    worklist.create(UID, a_step(), "PUSHER")
    worklist.change_state(UID, PS.IN_PROGRESS, MINE, "ME")
    assert refusal(worklist.update, UID, how_far(50), THEIRS) is (
        Fault.WRONG_TRANSACTION
    )
    assert refusal(worklist.update, UID, how_far(50), None) is (
        Fault.MISSING_TRANSACTION
    )
    worklist.update(UID, how_far(50), MINE)
    early = refusal(worklist.change_state, UID, PS.COMPLETED, MINE, "ME")
    assert early is Fault.FINAL_STATE_UNMET
    worklist.update(UID, what_was_done(), MINE)
    worklist.change_state(UID, PS.COMPLETED, MINE, "ME")
    assert worklist.retrieve(UID).ProcedureStepState == "COMPLETED"
    again = worklist.change_state(UID, PS.COMPLETED, MINE, "ME")
    assert again.notices == (Notice.ALREADY_COMPLETED,)
    assert refusal(worklist.update, UID, how_far(60), MINE) is Fault.ENDED


def test_a_second_claim_is_refused(worklist):
    worklist.create(UID, a_step(), "PUSHER")
    worklist.change_state(UID, PS.IN_PROGRESS, MINE, "ME")
    second = refusal(worklist.change_state, UID, PS.IN_PROGRESS, THEIRS, "YOU")
    assert second is Fault.WRONG_TRANSACTION
    again = refusal(worklist.change_state, UID, PS.IN_PROGRESS, MINE, "ME")
    assert again is Fault.ALREADY_IN_PROGRESS


def test_an_update_without_a_claim_has_no_transaction_uid(worklist):
    worklist.create(UID, a_step(), "PUSHER")
    changes = Dataset()
    changes.ProcedureStepLabel = "Another"
    assert refusal(worklist.update, UID, changes, MINE) is Fault.NOT_IN_PROGRESS
    worklist.update(UID, changes, None)
    assert worklist.retrieve(UID).ProcedureStepLabel == "Another"


@pytest.mark.parametrize("keyword", ["PatientID", "ProcedureStepState", "SOPClassUID"])
def test_an_update_leaves_alone_what_is_not_its_own(worklist, keyword):
    worklist.create(UID, a_step(), "PUSHER")
    changes = Dataset()
    with quiet():
        setattr(changes, keyword, "1.2")
    assert refusal(worklist.update, UID, changes, None) is Fault.NOT_ALLOWED


def test_a_request_to_cancel_ends_what_nobody_has_claimed(worklist, database):
    worklist.create(UID, a_step(), "PUSHER")
    worklist.subscribe(a_wish(UID))
    request = Dataset()
    request.ReasonForCancellation = "another order"
    worklist.request_cancel(UID, request, "PUSHER")
    (told,) = worklist.retrieve(UID).ProcedureStepProgressInformationSequence
    assert told.ReasonForCancellation == "another order"
    assert reports(database) == [
        (EventType.STATE, UID, "SCHEDULED"),
        (EventType.CANCEL_REQUESTED, UID, None),
        (EventType.STATE, UID, "IN PROGRESS"),
        (EventType.STATE, UID, "CANCELED"),
    ]
    again = worklist.request_cancel(UID, request, "PUSHER")
    assert again.notices == (Notice.ALREADY_CANCELED,)


def test_a_request_to_cancel_reaches_the_performer_or_says_so(worklist, database):
    worklist.create(UID, a_step(), "PUSHER")
    worklist.change_state(UID, PS.IN_PROGRESS, MINE, "ME")
    unheard = refusal(worklist.request_cancel, UID, Dataset(), "PUSHER")
    assert unheard is Fault.PERFORMER_UNREACHABLE
    worklist.subscribe(a_wish(UID))
    worklist.request_cancel(UID, Dataset(), "PUSHER")
    assert reports(database)[-1] == (EventType.CANCEL_REQUESTED, UID, None)
    assert worklist.retrieve(UID).ProcedureStepState == "IN PROGRESS"


def test_the_nodes_own_jobs_are_there_and_nobody_elses_to_change(worklist, database):
    receive(database, 1)
    (found,) = worklist.search(Dataset())
    assert (found.SOPInstanceUID, found.PatientID) == ("1.9.1", "P1")
    (item,) = found.InputInformationSequence
    assert item.ReferencedSOPSequence[0].ReferencedSOPInstanceUID == "1.2.3.1"
    claimed = refusal(worklist.change_state, "1.9.1", PS.IN_PROGRESS, MINE, "ME")
    assert claimed is Fault.NOT_AUTHORISED
    assert refusal(worklist.update, "1.9.1", how_far(1), None) is Fault.NOT_AUTHORISED
    worklist.request_cancel("1.9.1", Dataset(), "PUSHER")
    assert worklist.retrieve("1.9.1").ProcedureStepState == "CANCELED"


@pytest.mark.parametrize(
    ("keyword", "value", "found"),
    [
        ("ProcedureStepState", "SCHEDULED", {UID, "1.9.1"}),
        ("ProcedureStepState", "COMPLETED", set()),
        ("PatientID", "P1", {UID, "1.9.1"}),
        ("PatientID", "Q*", {OTHER}),
        ("WorklistLabel", "AI", {UID, OTHER}),
        ("SOPInstanceUID", [UID, "1.9.1"], {UID, "1.9.1"}),
        ("ScheduledProcedureStepStartDateTime", "20260315-", set()),
        ("ScheduledProcedureStepStartDateTime", "20260314", {UID, OTHER, "1.9.1"}),
    ],
)
def test_a_search_gives_what_meets_its_keys(worklist, database, keyword, value, found):
    receive(database, 1)
    worklist.create(UID, a_step(), "PUSHER")
    cancelled = a_step(PatientID="Q7")
    worklist.create(OTHER, cancelled, "PUSHER")
    worklist.request_cancel(OTHER, Dataset(), "PUSHER")
    keys = Dataset()
    with quiet():
        setattr(keys, keyword, value)
    assert {one.SOPInstanceUID for one in worklist.search(keys)} == found


def test_a_key_that_is_no_range_is_refused(worklist):
    keys = Dataset()
    with quiet():
        keys.ScheduledProcedureStepStartDateTime = "yesterday"
    assert refusal(worklist.search, keys) is Fault.INVALID_KEYS


def test_a_search_follows_the_keys_inside_a_sequence(worklist):
    step = a_step(InputInformationSequence=[an_input("1.5", "1.6", "1.7")])
    worklist.create(UID, step, "PUSHER")
    worklist.create(OTHER, a_step(), "PUSHER")
    inside, keys = Dataset(), Dataset()
    inside.StudyInstanceUID = "1.5"
    keys.InputInformationSequence = [inside]
    assert [one.SOPInstanceUID for one in worklist.search(keys)] == [UID]


def test_who_watches_the_worklist_hears_of_new_workitems(worklist, database):
    worklist.create(OTHER, a_step(), "PUSHER")
    worklist.subscribe(a_wish(GLOBAL))
    assert reports(database) == []
    worklist.create(UID, a_step(), "PUSHER")
    worklist.change_state(UID, PS.IN_PROGRESS, MINE, "ME")
    worklist.update(UID, how_far(10), MINE)
    assert reports(database) == [
        (EventType.STATE, UID, "SCHEDULED"),
        (EventType.STATE, UID, "IN PROGRESS"),
        (EventType.PROGRESS, UID, None),
    ]


def test_a_lock_on_the_worklist_tells_of_what_is_there(worklist, database):
    receive(database, 1)
    worklist.create(OTHER, a_step(), "PUSHER")
    worklist.subscribe(a_wish(GLOBAL, deletion_lock=True))
    told = {(kind, uid) for kind, uid, _ in reports(database)}
    assert told == {(EventType.STATE, OTHER), (EventType.STATE, "1.9.1")}


def test_one_workitem_can_be_left_out_of_the_worklist(worklist, database):
    worklist.subscribe(a_wish(GLOBAL))
    worklist.create(UID, a_step(), "PUSHER")
    worklist.unsubscribe(WATCHER, UID)
    worklist.change_state(UID, PS.IN_PROGRESS, MINE, "ME")
    assert reports(database) == [(EventType.STATE, UID, "SCHEDULED")]
    worklist.subscribe(a_wish(GLOBAL))
    worklist.update(UID, how_far(10), MINE)
    assert reports(database)[-1] == (EventType.PROGRESS, UID, None)


def test_who_suspends_hears_of_old_workitems_and_of_no_new_ones(database):
    early, late = worklist_at(database), worklist_at(database, 60)
    early.subscribe(a_wish(GLOBAL))
    early.create(UID, a_step(), "PUSHER")
    worklist_at(database, 30).suspend(WATCHER, GLOBAL)
    late.create(OTHER, a_step(), "PUSHER")
    late.change_state(UID, PS.IN_PROGRESS, MINE, "ME")
    assert [uid for _, uid, _ in reports(database)] == [UID, UID]


def test_a_filter_chooses_and_keeps_what_it_chose(worklist, database):
    keys = Dataset()
    keys.PatientID, keys.ProcedureStepState = "P1", "SCHEDULED"
    worklist.create(UID, a_step(), "PUSHER")
    worklist.subscribe(a_wish(FILTERED, keys=keys))
    worklist.create("1.8", a_step(), "PUSHER")
    worklist.create(OTHER, a_step(PatientID="P2"), "PUSHER")
    worklist.change_state("1.8", PS.IN_PROGRESS, MINE, "ME")
    assert reports(database) == [
        (EventType.STATE, UID, "SCHEDULED"),
        (EventType.STATE, "1.8", "SCHEDULED"),
        (EventType.STATE, "1.8", "IN PROGRESS"),
    ]


def test_the_end_of_all_subscriptions_is_one(worklist, database):
    worklist.create(UID, a_step(), "PUSHER")
    worklist.subscribe(a_wish(UID))
    worklist.subscribe(a_wish(GLOBAL))
    worklist.unsubscribe(WATCHER, GLOBAL)
    before = reports(database)
    worklist.change_state(UID, PS.IN_PROGRESS, MINE, "ME")
    assert reports(database) == before
    assert refusal(worklist.unsubscribe, WATCHER, UID) is Fault.NO_SUBSCRIPTION


def test_a_receiver_that_cannot_be_called_is_refused(worklist):
    wish = a_wish(GLOBAL, ae_title="STRANGER", channel=Channel.DIMSE)
    assert refusal(worklist.subscribe, wish) is Fault.UNKNOWN_RECEIVER


def test_the_nodes_own_jobs_are_reported_from_its_events(worklist, database):
    receive(database, 1)
    worklist.subscribe(a_wish(GLOBAL))
    receive(database, 2)
    (first, second) = claim(database, limit=2)
    settle(database, second)
    assert herald(database).work() is False
    assert set(reports(database)) == {
        (EventType.STATE, "1.9.2", "SCHEDULED"),
        (EventType.STATE, "1.9.1", "IN PROGRESS"),
        (EventType.STATE, "1.9.2", "IN PROGRESS"),
        (EventType.PROGRESS, "1.9.2", None),
        (EventType.STATE, "1.9.2", "COMPLETED"),
    }
    assert first.workitem_uid == "1.9.1"
    before = reports(database)
    herald(database).work()
    assert reports(database) == before


def test_a_filter_meets_the_nodes_own_jobs_too(worklist, database):
    keys = Dataset()
    keys.PatientID = "P2"
    worklist.subscribe(a_wish(FILTERED, keys=keys))
    receive(database, 1, 2)
    herald(database).work()
    assert reports(database) == [(EventType.STATE, "1.9.2", "SCHEDULED")]


def test_events_from_before_the_first_subscription_are_nobodys(worklist, database):
    receive(database, 1)
    herald(database).work()
    worklist.subscribe(a_wish(GLOBAL))
    herald(database).work()
    assert reports(database) == []


def test_without_room_nothing_is_written(database):
    full = worklist_at(database, has_room=lambda: False)
    with pytest.raises(StoreFull):
        full.create(UID, a_step(), "PUSHER")
    assert refusal(full.retrieve, UID) is Fault.NO_SUCH_WORKITEM


def test_an_ended_workitem_is_forgotten_unless_somebody_holds_it(worklist, database):
    for uid in (UID, OTHER):
        worklist.create(uid, a_step(), "PUSHER")
        worklist.request_cancel(uid, Dataset(), "PUSHER")
    worklist.subscribe(a_wish(OTHER, deletion_lock=True))
    with database.transaction() as tx:
        assert pushed.forget(tx, after(-1)) == 0
        assert pushed.forget(tx, after(1)) == 1
    assert refusal(worklist.retrieve, UID) is Fault.NO_SUCH_WORKITEM
    worklist.unsubscribe(WATCHER, OTHER)
    with database.transaction() as tx:
        assert pushed.forget(tx, after(1)) == 1


def test_reports_that_nobody_takes_are_given_up(worklist, database):
    worklist.subscribe(a_wish(GLOBAL))
    for number in range(5):
        worklist.create(f"1.3.{number}", a_step(), "PUSHER")
    with database.transaction() as tx:
        assert subscriptions.drop(tx, after(-1), most=3) == 2
    assert [uid for _, uid, _ in reports(database)] == ["1.3.2", "1.3.3", "1.3.4"]
    with database.transaction() as tx:
        assert subscriptions.drop(tx, after(1), most=3) == 3


def test_a_restart_is_told_to_every_subscriber(worklist, database):
    worklist.create(UID, a_step(), "PUSHER")
    worklist.subscribe(a_wish(UID))
    herald(database).restarted()
    assert reports(database)[-1] == (EventType.SCP_STATUS, GLOBAL, None)


def test_a_workitem_says_to_whom_it_is_assigned(worklist, database):
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = "CT1", "L", "CT1"
    worklist.subscribe(a_wish(GLOBAL))
    step = a_step(ScheduledStationNameCodeSequence=[code])
    worklist.create(UID, step, "PUSHER")
    assert [kind for kind, _, _ in reports(database)] == [
        EventType.STATE,
        EventType.ASSIGNED,
    ]


def test_a_search_that_looks_at_too_much_is_refused(worklist, database, monkeypatch):
    monkeypatch.setattr(unified_worklist, "_MOST_LOOKED_AT", 2)
    receive(database, 1, 2, 3)
    keys = Dataset()
    keys.ProcedureStepLabel = "NO SUCH LABEL"
    assert refusal(list, worklist.search(keys)) is Fault.TOO_BROAD
