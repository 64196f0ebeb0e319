"""What goes over the wire, byte by byte, held against traces that were read by hand.

No other implementation of the worklist installs here: pynetdicom is on both sides.
These files say what PS3.4 Annex CC, PS3.7 and PS3.18 section 11 make of one Workitem's
life. ``UPDATE_TRACES=1`` writes them anew; read them then.
"""

import json
import os
import threading
from pathlib import Path

import pytest
from pydicom.dataset import Dataset
from pydicom.uid import ImplicitVRLittleEndian
from pynetdicom import evt

from dicom_node.dimse.acceptor.application_entity import ApplicationEntity
from dicom_node.dimse.library import RequestingEntity as Caller
from dicom_node.dimse.presentation import EVENT_CLASS, WORKLIST_CLASSES, context
from dicom_node.dimse.scu.association import RemoteAE
from dicom_node.dimse.scu.unified_procedure_step import Told, report
from dicom_node.dimse.services.unified_procedure_step import UnifiedProcedureStepSCP
from dicom_node.web.dicomweb.workitems.channel import message
from dicom_node.worklist.unified.workitem_content import from_json, to_json
from storage.records import ProcedureStepState
from storage.worklist import subscriptions
from storage.worklist.pushed import GLOBAL
from storage.worklist.subscriptions import Channel
from tests.factories.choices import dimse_config, timeouts
from tests.factories.rows import (
    an_evidence,
    claim,
    receive,
    settle,
)
from tests.factories.workitems import a_step, a_wish, worklist_at
from tests.peers.receiving import NODE, receiver

TRACES = Path(__file__).parent / "traces"
UID, MINE = "1.2.3.4.5", "2.25.111"
PUSH, WATCH, PULL, QUERY = WORKLIST_CLASSES
P_DATA = 4


@pytest.fixture
def database(tmp_path):
    with receiver(tmp_path) as behind:
        yield behind.database


def held(name, found):
    """Compare with a trace."""
    file = TRACES / name
    if os.environ.get("UPDATE_TRACES"):
        file.write_text(found)
    assert found == file.read_text()


def lines(pdus):
    """Write PDUs as hexadecimal digits, thirty-two bytes a line."""
    rows = []
    for name, data in pdus:
        digits = data.hex()
        rows.append(f"# {name}")
        rows += [digits[at : at + 64] for at in range(0, len(digits), 64)]
    return "\n".join(rows) + "\n"


def test_answers_over_an_association(database):
    service = UnifiedProcedureStepSCP(worklist_at(database))
    entity = ApplicationEntity(dimse_config(NODE, accept_unknown_peers=True), [service])
    heard, pdus = [], []

    def hear(event):
        if event.data[0] == P_DATA:
            heard.append(bytes(event.data))

    def note(name):
        pdus.extend((name, data) for data in heard)
        heard.clear()

    contexts = [context(uid, [ImplicitVRLittleEndian]) for uid in WORKLIST_CLASSES]
    try:
        association = Caller("CLIENT").associate(
            "127.0.0.1",
            entity.start(),
            contexts,
            ae_title=NODE,
            evt_handlers=[(evt.EVT_DATA_RECV, hear)],
        )
        association.send_n_create(a_step(), PUSH, UID)
        note("N-CREATE-RSP 0000")
        association.send_n_create(a_step(), PUSH, UID)
        note("N-CREATE-RSP 0111")
        claims = Dataset()
        claims.ProcedureStepState, claims.TransactionUID = "IN PROGRESS", MINE
        association.send_n_action(claims, 1, PUSH, UID, meta_uid=PULL)
        note("N-ACTION-RSP 0000: claimed")
        claims.TransactionUID = "2.25.222"
        association.send_n_action(claims, 1, PUSH, UID, meta_uid=PULL)
        note("N-ACTION-RSP C301: claimed by another")
        association.send_n_get([0x00741000, 0x00741204], PUSH, UID, meta_uid=WATCH)
        note("N-GET-RSP 0000: two attributes")
        keys = Dataset()
        keys.ProcedureStepState = "IN PROGRESS"
        list(association.send_c_find(keys, QUERY))
        note("C-FIND-RSP FF00, 0000")
        association.release()
    finally:
        entity.stop(drain_s=0)
    held("answers.hex", lines(pdus))


def test_reports_over_an_association():
    heard, ready = [], threading.Event()

    def hear(event):
        if event.data[0] == P_DATA:
            heard.append(bytes(event.data))

    def told(_event):
        ready.set()
        return 0x0000, None

    watcher = Caller("WATCHER")
    watcher.add_supported_context(EVENT_CLASS, scu_role=True, scp_role=True)
    server = watcher.start_server(
        ("127.0.0.1", 0),
        block=False,
        evt_handlers=[(evt.EVT_DATA_RECV, hear), (evt.EVT_N_EVENT_REPORT, told)],
    )
    information = Dataset()
    information.InputReadinessState = "READY"
    information.ProcedureStepState = "IN PROGRESS"
    try:
        remote = RemoteAE("WATCHER", "127.0.0.1", server.socket.getsockname()[1])
        sent = report(
            remote,
            [Told(1, UID, 1, information)],
            calling_ae=NODE,
            timeouts=timeouts(),
        )
        assert list(sent) == [(1, 0x0000)]
    finally:
        server.shutdown()
    held("reports.hex", lines([("N-EVENT-REPORT-RQ: state", one) for one in heard]))


def test_reports_as_json(database):
    worklist = worklist_at(database)
    worklist.subscribe(a_wish(GLOBAL))
    worklist.create(UID, a_step(), "PUSHER")
    why = Dataset()
    why.ReasonForCancellation = "another order"
    worklist.request_cancel(UID, why, "PUSHER")
    with database.transaction(read_only=True) as tx:
        waiting = subscriptions.waiting(tx, Channel.WEB_SOCKET, "WATCHER", 10)
    told = [message(one) for one in waiting]
    held("reports.json", json.dumps(told, indent=1, sort_keys=True) + "\n")


def test_a_job_of_the_node_as_json(database):
    receive(database, 1)
    worklist = worklist_at(database)
    stages = [worklist.retrieve("1.9.1")]
    (claimed,) = claim(database)
    stages.append(worklist.retrieve("1.9.1"))
    settle(database, claimed, (an_evidence(1),))
    stages.append(worklist.retrieve("1.9.1"))
    assert [one.ProcedureStepState for one in stages] == [
        ProcedureStepState.SCHEDULED,
        ProcedureStepState.IN_PROGRESS,
        ProcedureStepState.COMPLETED,
    ]
    written = [to_json(one) for one in stages]
    assert [to_json(from_json(one)) for one in written] == written
    held("job.json", json.dumps(written, indent=1, sort_keys=True) + "\n")
