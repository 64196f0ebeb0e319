"""The worklist over associations, asked by pynetdicom as an SCU."""

from contextlib import contextmanager

import pytest
from pydicom.dataset import Dataset
from pydicom.uid import ImplicitVRLittleEndian

from dicom_node.dataset.quiet import quiet
from dicom_node.dimse.acceptor.application_entity import ApplicationEntity
from dicom_node.dimse.library import RequestingEntity as Caller
from dicom_node.dimse.presentation import WORKLIST_CLASSES, context
from dicom_node.dimse.services import unified_procedure_step as ups
from dicom_node.dimse.services.unified_procedure_step import UnifiedProcedureStepSCP
from dicom_node.worklist.unified.workitem_content import UPS_PUSH
from dicom_node.worklist.unified.workitem_rules import Fault, Notice
from storage.worklist import subscriptions
from storage.worklist.pushed import FILTERED, GLOBAL
from storage.worklist.subscriptions import Channel
from tests.factories.choices import dimse_config
from tests.factories.rows import receive
from tests.factories.workitems import a_step, how_far, what_was_done, worklist_at
from tests.peers.receiving import NODE, receiver

UID, MINE, THEIRS = "1.2.3.4.5", "2.25.111", "2.25.222"
PUSH, WATCH, PULL, QUERY = UPS_PUSH, ups.UPS_WATCH, ups.UPS_PULL, ups.UPS_QUERY


@contextmanager
def calling(port):
    contexts = [context(uid, [ImplicitVRLittleEndian]) for uid in WORKLIST_CLASSES]
    association = Caller("CLIENT").associate("127.0.0.1", port, contexts, ae_title=NODE)
    assert association.is_established
    try:
        yield association
    finally:
        association.release()


@pytest.fixture
def database(tmp_path):
    with receiver(tmp_path) as behind:
        yield behind.database


@pytest.fixture
def peer(database):
    service = UnifiedProcedureStepSCP(worklist_at(database))
    entity = ApplicationEntity(dimse_config(NODE, accept_unknown_peers=True), [service])
    try:
        with calling(entity.start()) as association:
            yield association
    finally:
        entity.stop(drain_s=0)


def create(peer, uid=UID, **changes):
    return peer.send_n_create(a_step(**changes), PUSH, uid)[0].Status


def act(peer, action, said, under, uid=UID):
    # pynetdicom announces an empty data set and sends none.
    said = said if len(said) else None
    return peer.send_n_action(said, action, PUSH, uid, meta_uid=under)[0].Status


def change(peer, state, transaction=MINE, uid=UID):
    said = Dataset()
    said.ProcedureStepState = state
    if transaction:
        said.TransactionUID = transaction
    return act(peer, ups.CHANGE_STATE, said, PULL, uid)


def update(peer, changes, transaction=MINE, uid=UID):
    if transaction:
        changes.TransactionUID = transaction
    return peer.send_n_set(changes, PUSH, uid, meta_uid=PULL)[0].Status


def find(peer, under=QUERY, **keys):
    wanted = Dataset()
    with quiet():
        for keyword, value in keys.items():
            setattr(wanted, keyword, value)
    answers = list(peer.send_c_find(wanted, under))
    return [found for _, found in answers if found], answers[-1][0].Status


def get(peer, *tags, uid=UID, under=PULL):
    status, found = peer.send_n_get(list(tags), PUSH, uid, meta_uid=under)
    return status.Status, found


def wish(receiver="WATCHER", lock="FALSE", **keys):
    said = Dataset()
    said.ReceivingAE, said.DeletionLock = receiver, lock
    for keyword, value in keys.items():
        setattr(said, keyword, value)
    return said


def test_every_fault_and_notice_has_its_status():
    assert set(ups.STATUS) == set(Fault)
    assert set(ups.WARNINGS) == set(Notice)


def test_the_life_of_a_workitem(peer):
    assert create(peer) == 0x0000
    assert create(peer) == 0x0111
    assert change(peer, "COMPLETED") == 0xC310
    assert change(peer, "IN PROGRESS", None) == 0xC301
    assert change(peer, "IN PROGRESS") == 0x0000
    assert change(peer, "IN PROGRESS") == 0xC302
    assert change(peer, "IN PROGRESS", THEIRS) == 0xC301
    assert change(peer, "SCHEDULED") == 0xC303
    assert update(peer, how_far(10), THEIRS) == 0xC301
    assert update(peer, how_far(10)) == 0x0000
    assert change(peer, "COMPLETED") == 0xC304
    assert update(peer, what_was_done()) == 0x0000
    assert change(peer, "COMPLETED") == 0x0000
    assert change(peer, "COMPLETED") == 0xB306
    assert change(peer, "CANCELED") == 0xC300
    assert update(peer, how_far(20)) == 0xC300
    assert act(peer, ups.REQUEST_CANCEL, Dataset(), PUSH) == 0xC311


def test_a_cancellation(peer):
    create(peer)
    request = Dataset()
    request.ReasonForCancellation = "another order"
    assert act(peer, ups.REQUEST_CANCEL, request, WATCH) == 0x0000
    assert act(peer, ups.REQUEST_CANCEL, request, PUSH) == 0xB304
    status, found = get(peer, 0x00741000, 0x00741002)
    assert status == 0x0000
    assert found.ProcedureStepState == "CANCELED"
    (told,) = found.ProcedureStepProgressInformationSequence
    assert told.ReasonForCancellation == "another order"


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"ProcedureStepState": "COMPLETED"}, 0xC309),
        ({"ProcedureStepLabel": None}, 0x0120),
        ({"ProcedureStepLabel": ""}, 0x0121),
        ({"InputReadinessState": "PERHAPS"}, 0x0106),
        ({"PatientSex": None}, 0xB300),
    ],
)
def test_what_is_created_is_looked_at(peer, changes, status):
    assert create(peer, **changes) == status


def test_a_workitem_without_a_uid_gets_one(peer):
    status, reply = peer.send_n_create(a_step(), PUSH, None)
    assert status.Status == 0x0000
    found, _ = find(peer, PatientID="P1")
    assert len(found) == 1
    assert reply is None or "AffectedSOPInstanceUID" not in reply


def test_a_search_gives_what_was_asked_for(peer, database):
    receive(database, 1)
    create(peer)
    for under in (PULL, WATCH, QUERY):
        found, status = find(peer, under, ProcedureStepState="SCHEDULED", PatientID="")
        assert status == 0x0000
        assert {one.SOPInstanceUID for one in found} == {UID, "1.9.1"}
        assert all(one.PatientID == "P1" for one in found)
        assert all("ProcedureStepLabel" not in one for one in found)
    assert find(peer, ScheduledProcedureStepStartDateTime="2026-9") == ([], 0xC000)


def test_what_is_not_there_is_said(peer):
    create(peer)
    status, found = get(peer, 0x00741000, 0x00081195)
    assert (status, found.ProcedureStepState) == (0x0001, "SCHEDULED")
    assert "TransactionUID" not in found
    assert get(peer, uid="1.2.9")[0] == 0xC307
    assert change(peer, "IN PROGRESS", uid="1.2.9") == 0xC307


def test_the_nodes_own_jobs_are_not_for_others(peer, database):
    receive(database, 1)
    assert change(peer, "IN PROGRESS", uid="1.9.1") == 0x0124
    assert act(peer, ups.REQUEST_CANCEL, Dataset(), PUSH, "1.9.1") == 0x0000


@pytest.mark.parametrize(
    ("action", "under", "status"),
    [
        (ups.CHANGE_STATE, PUSH, 0x0123),
        (ups.CHANGE_STATE, WATCH, 0x0123),
        (ups.REQUEST_CANCEL, PULL, 0x0123),
        (ups.SUBSCRIBE, PULL, 0x0123),
        (9, WATCH, 0x0123),
        (ups.CHANGE_STATE, QUERY, 0x0211),
    ],
)
def test_each_class_has_its_own_actions(peer, action, under, status):
    create(peer)
    assert act(peer, action, wish(), under) == status


def test_each_class_has_its_own_operations(peer):
    create(peer)
    assert peer.send_n_set(how_far(1), PUSH, UID)[0].Status == 0x0211
    assert find(peer, PUSH, PatientID="") == ([], 0x0211)


def test_subscriptions(peer, database):
    create(peer)
    assert act(peer, ups.SUBSCRIBE, wish(), WATCH) == 0x0000
    assert act(peer, ups.SUBSCRIBE, wish("STRANGER"), WATCH) == 0xC308
    assert act(peer, ups.SUBSCRIBE, wish(lock="PERHAPS"), WATCH) == 0x0106
    assert act(peer, ups.SUSPEND, wish(), WATCH) == 0xC314
    assert act(peer, ups.SUBSCRIBE, wish(), WATCH, GLOBAL) == 0x0000
    assert act(peer, ups.SUSPEND, wish(), WATCH, GLOBAL) == 0x0000
    assert act(peer, ups.UNSUBSCRIBE, wish(), WATCH, GLOBAL) == 0x0000
    assert act(peer, ups.UNSUBSCRIBE, wish(), WATCH, GLOBAL) == 0xC307
    chosen = wish(PatientID="P1")
    assert act(peer, ups.SUBSCRIBE, chosen, WATCH, FILTERED) == 0x0000
    assert act(peer, ups.SUBSCRIBE, wish(), WATCH, FILTERED) == 0xC000
    with database.transaction(read_only=True) as tx:
        told = subscriptions.waiting(tx, Channel.DIMSE, "WATCHER", 10)
    assert [one.workitem_uid for one in told] == [UID, UID]


def test_a_value_that_breaks_its_rules_is_refused(peer):
    with quiet():
        step = a_step(StudyInstanceUID="not a uid")
    assert peer.send_n_create(step, PUSH, UID)[0].Status == 0x0106
