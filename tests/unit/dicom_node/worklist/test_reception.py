import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from io import BytesIO
from pathlib import Path

import pytest
from pydicom.dataset import Dataset
from pydicom.uid import (
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    SecondaryCaptureImageStorage,
)

from dicom_node.dataset.part10 import part10_header
from dicom_node.errors import DatasetInvalid, DatasetMismatch
from dicom_node.worklist.procedure_step import ProcedureSteps, Settlement
from dicom_node.worklist.reception import OWN_RESULT, Custody, Receipt
from storage.catalog import retention
from storage.errors import DatabaseUnavailable, StoreFull
from storage.records import Evidence, ProcedureStepState, Stage
from tests.peers.receiving import (
    MODALITY,
    Receiver,
    arriving_of,
    encoded,
    radiograph,
    receiver,
    written,
)


@pytest.fixture
def door(tmp_path: Path) -> Iterator[Receiver]:
    with receiver(tmp_path) as behind:
        yield behind


def send(
    door: Receiver,
    dataset: Dataset,
    *,
    data: bytes | None = None,
    calling_ae: str = MODALITY,
    **named: str,
) -> Receipt:
    """Bring a data set in, as a service does."""
    arriving = replace(arriving_of(dataset, calling_ae), **named)
    incoming = door.reception.incoming()
    incoming.write(part10_header(arriving))
    incoming.write(encoded(dataset) if data is None else data)
    return door.reception.receive(incoming, arriving)


def test_a_received_image_is_stored_as_sent_and_queued(door):
    dataset = radiograph(1)
    receipt = send(door, dataset)
    assert receipt == Receipt(Custody.STORED, None)
    uid = dataset.SOPInstanceUID
    assert door.stored(uid).endswith(encoded(dataset))
    instance = door.instance(uid)
    assert instance.study_instance_uid == dataset.StudyInstanceUID
    assert instance.series_instance_uid == dataset.SeriesInstanceUID
    assert instance.patient_id == dataset.PatientID
    assert instance.accession_number == dataset.AccessionNumber
    assert instance.modality == "CR"
    assert instance.calling_ae == MODALITY
    assert instance.transfer_syntax_uid == ExplicitVRLittleEndian
    assert instance.received_at.utcoffset() == timedelta(0)
    workitem = door.workitem(uid)
    assert workitem is not None
    assert workitem.state is ProcedureStepState.SCHEDULED
    assert workitem.stage is Stage.QUEUED
    assert door.queued() == 1


def test_an_image_that_is_not_eligible_is_stored_with_its_reason(door):
    dataset = radiograph(1, ViewPosition="LL")
    receipt = send(door, dataset)
    assert receipt.custody is Custody.STORED
    assert receipt.not_eligible is not None
    instance = door.instance(dataset.SOPInstanceUID)
    assert instance.not_eligible == receipt.not_eligible
    assert door.workitem(dataset.SOPInstanceUID) is None
    assert door.queued() == 0


def test_the_same_image_again_is_one_image(door):
    first = send(door, radiograph(1))
    second = send(door, radiograph(1))
    assert first.custody is Custody.STORED
    assert second.custody is Custody.DUPLICATE
    assert door.queued() == 1


def test_the_same_image_from_another_sender_is_one_image(door):
    send(door, radiograph(1), calling_ae="MOD1")
    again = send(door, radiograph(1), calling_ae="PACS")
    assert again.custody is Custody.DUPLICATE
    assert door.instance(radiograph(1).SOPInstanceUID).calling_ae == "MOD1"
    assert len(list(door.store.keys())) == 1
    assert door.quarantined() == []


def test_the_same_image_from_many_senders_at_once_is_one_image(door):
    together = threading.Barrier(6)
    outcomes: list[Custody] = []

    def sender(number: int) -> None:
        together.wait(60)
        receipt = send(door, radiograph(1), calling_ae=f"MOD{number % 3}")
        outcomes.append(receipt.custody)

    senders = [threading.Thread(target=sender, args=(number,)) for number in range(6)]
    for thread in senders:
        thread.start()
    for thread in senders:
        thread.join()
    assert sorted(outcomes) == [Custody.DUPLICATE] * 5 + [Custody.STORED]
    assert len(list(door.store.keys())) == 1
    assert door.quarantined() == []


def test_a_second_copy_is_kept_apart_once_the_first_one_is_gone(door):
    send(door, radiograph(1))
    door.store.delete(door.instance(radiograph(1).SOPInstanceUID).object_key)
    again = send(door, radiograph(1), calling_ae="PACS")
    assert again.custody is Custody.QUARANTINED


@pytest.mark.parametrize(
    "other",
    [
        radiograph(1, PatientID="SOMEBODY-ELSE"),
        radiograph(1, transfer_syntax=ImplicitVRLittleEndian),
    ],
    ids=["another patient", "another encoding"],
)
def test_another_object_under_the_same_uid_is_kept_apart(door, other):
    send(door, radiograph(1))
    receipt = send(door, other)
    assert receipt.custody is Custody.QUARANTINED
    uid = other.SOPInstanceUID
    assert door.stored(uid).endswith(encoded(radiograph(1)))
    assert door.instance(uid).patient_id == radiograph(1).PatientID
    (kept_apart,) = door.quarantined()
    assert kept_apart.sop_instance_uid == uid
    with door.store.open(kept_apart.object_key) as stream:
        assert stream.read().endswith(encoded(other))
    assert door.queued() == 1


def make_result(door: Receiver, result: Dataset) -> Evidence:
    """Let the node have made and stored an object about a film."""
    source = radiograph(1)
    send(door, source)
    stored = door.store.put(BytesIO(written(result)))
    evidence = Evidence(
        sop_instance_uid=str(result.SOPInstanceUID),
        sop_class_uid=str(result.SOPClassUID),
        series_instance_uid="1.2.3.4",
        study_instance_uid=str(source.StudyInstanceUID),
        workitem_uid=door.workitem(source.SOPInstanceUID).workitem_uid,
        kind="secondary-capture",
        object_key=stored.key,
        size_bytes=stored.size_bytes,
        sha256=stored.sha256,
        created_at=door.instance(source.SOPInstanceUID).received_at,
    )
    settle(door, evidence)
    return evidence


def test_a_result_that_comes_back_is_recognised_and_not_kept_twice(door):
    result = radiograph(2, "SC")
    made = make_result(door, result)
    held = set(door.store.keys())
    receipt = send(door, result, calling_ae="FORWARDING")
    assert receipt == Receipt(Custody.STORED, OWN_RESULT)
    instance = door.instance(result.SOPInstanceUID)
    assert (instance.object_key, instance.sha256) == (made.object_key, made.sha256)
    assert instance.calling_ae == "FORWARDING"
    assert door.workitem(result.SOPInstanceUID) is None
    again = send(door, result)
    assert again == Receipt(Custody.DUPLICATE, OWN_RESULT)
    assert door.instance(result.SOPInstanceUID).duplicates == 1
    assert set(door.store.keys()) == held
    assert door.half_written() == []


@pytest.mark.parametrize(
    "changes",
    [
        {"PatientID": "COERCED"},
        {"transfer_syntax": ImplicitVRLittleEndian},
    ],
    ids=["coerced", "in another encoding"],
)
def test_a_result_that_comes_back_otherwise_is_kept_as_it_came(door, changes):
    make_result(door, radiograph(2, "SC"))
    held = set(door.store.keys())
    back = radiograph(2, "SC", **changes)
    assert send(door, back) == Receipt(Custody.STORED, OWN_RESULT)
    assert door.stored(back.SOPInstanceUID).endswith(encoded(back))
    assert len(set(door.store.keys()) - held) == 1


def test_a_result_that_comes_back_after_ours_is_gone_is_kept(door):
    result = radiograph(2, "SC")
    made = make_result(door, result)
    send(door, result)
    with door.database.transaction() as tx:
        key = retention.forget_object(tx, made.sop_instance_uid, made.created_at)
    door.store.delete(key)
    receipt = send(door, result)
    assert receipt == Receipt(Custody.DUPLICATE, OWN_RESULT)
    assert door.stored(result.SOPInstanceUID).endswith(encoded(result))
    assert door.instance(result.SOPInstanceUID).object_removed_at is None
    assert door.quarantined() == []


def test_an_image_that_comes_again_is_counted_and_leaves_a_line(door, caplog):
    caplog.set_level("INFO")
    uid = radiograph(1).SOPInstanceUID
    send(door, radiograph(1))
    for calling_ae in (MODALITY, "PACS"):
        caplog.clear()
        send(door, radiograph(1), calling_ae=calling_ae)
        (line,) = caplog.records
        assert (line.action, line.instance) == ("duplicate", uid)
        assert calling_ae in line.getMessage()
    assert door.instance(uid).duplicates == 2
    assert door.instance(uid).duplicate_at is not None


def settle(door: Receiver, evidence: Evidence) -> None:
    steps = ProcedureSteps(
        door.database, clock=lambda: evidence.created_at, new_uid=lambda: "1.9"
    )
    (claimed,) = steps.claim("w", limit=1, lease_s=60)
    steps.settle(claimed, Settlement([evidence], [], {}, None, None))


@pytest.mark.parametrize(
    ("named", "error"),
    [
        ({"sop_class_uid": SecondaryCaptureImageStorage}, DatasetMismatch),
        ({"sop_instance_uid": "1.2.3"}, DatasetMismatch),
    ],
)
def test_a_data_set_that_is_not_what_the_request_names_is_refused(door, named, error):
    with pytest.raises(error):
        send(door, radiograph(1), **named)
    assert not door.knows(radiograph(1).SOPInstanceUID)
    assert list(door.store.keys()) == []
    assert door.half_written() == []


@pytest.mark.parametrize("uid", ["", "../../etc/passwd", "1.2.3\n4"])
@pytest.mark.parametrize("keyword", ["StudyInstanceUID", "SeriesInstanceUID"])
def test_a_data_set_without_its_uids_is_refused(door, keyword, uid):
    dataset = radiograph(1)
    value = str(dataset[keyword].value).encode()
    data = encoded(dataset).replace(value, uid.encode().ljust(len(value)))
    with pytest.raises(DatasetInvalid):
        send(door, dataset, data=data)
    assert not door.knows(dataset.SOPInstanceUID)


@pytest.mark.parametrize("data", [b"", b"<!DOCTYPE html>" * 20, bytes(1000)])
def test_what_is_no_data_set_is_refused_and_leaves_nothing(door, data):
    with pytest.raises(DatasetInvalid):
        send(door, radiograph(1), data=data)
    assert list(door.store.keys()) == []
    assert door.half_written() == []


def test_an_empty_patient_and_padded_values_are_read(door):
    dataset = radiograph(1, PatientID=None, AccessionNumber="A1 \0")
    send(door, dataset)
    instance = door.instance(dataset.SOPInstanceUID)
    assert instance.patient_id == ""
    assert instance.accession_number == "A1"


def test_malformed_values_are_no_failure_of_the_store(door):
    raw = encoded(radiograph(1, PatientAge="066Y", AccessionNumber="x" * 16))
    damaged = raw.replace(b"066Y", b"??!!").replace(b"x" * 16, b"\xff" * 16)
    assert send(door, radiograph(1), data=damaged).custody is Custody.STORED


def test_nothing_is_accepted_below_the_watermark(tmp_path):
    with receiver(tmp_path, watermark_bytes=1 << 60) as door:
        with pytest.raises(StoreFull):
            send(door, radiograph(1))
        assert not door.knows(radiograph(1).SOPInstanceUID)


def test_nothing_is_accepted_while_the_database_is_away(door):
    lock = door.database.transaction()
    with lock, pytest.raises((DatabaseUnavailable, RuntimeError)):
        send(door, radiograph(1))
    assert not door.knows(radiograph(1).SOPInstanceUID)
    assert send(door, radiograph(1)).custody is Custody.STORED
