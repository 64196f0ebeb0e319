import logging
import threading
from pathlib import Path

import pytest
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    SegmentationStorage,
)

from dicom_node.dimse.presentation import STORAGE_CLASSES, TRANSFER_SYNTAXES
from dicom_node.dimse.scu.storage import send
from dicom_node.dimse.scu.verification import echo
from storage.objects.files import FileObjectStore
from tests.peers.receiving import MODALITY, PATIENT, encoded, radiograph, written

KINDS = dict(zip(("CR", "DX", "DX-PROCESSING", "SC"), STORAGE_CLASSES, strict=True))


def save(folder: Path, *datasets):
    paths = []
    for number, dataset in enumerate(datasets):
        paths.append(folder / f"{number}.dcm")
        paths[-1].write_bytes(written(dataset))
    return paths


def statuses(node, paths):
    results = send(paths, node.remote, calling_ae=MODALITY, timeouts=PATIENT)
    return [result.status for result in results]


def test_an_echo_is_answered(node):
    echo(node.remote, calling_ae=MODALITY, timeouts=PATIENT)


@pytest.mark.parametrize("kind", KINDS)
def test_every_class_in_every_syntax_is_stored_exactly_as_sent(node, tmp_path, kind):
    datasets = [
        radiograph(number, kind, syntax)
        for number, syntax in enumerate(TRANSFER_SYNTAXES)
    ]
    assert statuses(node, save(tmp_path, *datasets)) == [0] * len(datasets)
    for dataset in datasets:
        uid = dataset.SOPInstanceUID
        instance = node.receiver.instance(uid)
        assert instance.sop_class_uid == KINDS[kind]
        assert instance.transfer_syntax_uid == dataset.file_meta.TransferSyntaxUID
        stored = node.receiver.stored(uid)
        assert stored.endswith(encoded(dataset))
        assert stored[128:132] == b"DICM"
    assert node.receiver.half_written() == []


@pytest.mark.parametrize(
    "syntax",
    [ExplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian],
)
@pytest.mark.parametrize("maximum_pdu_bytes", [4096, 1 << 20])
def test_an_image_of_many_fragments_is_stored_exactly_as_sent(
    start, tmp_path, syntax, maximum_pdu_bytes
):
    node = start(maximum_pdu_bytes=maximum_pdu_bytes)
    noise = b"".join(index.to_bytes(4, "big") for index in range(150_000))
    dataset = radiograph(1, transfer_syntax=syntax, PixelData=noise)
    assert statuses(node, save(tmp_path, dataset)) == [0]
    assert node.receiver.stored(dataset.SOPInstanceUID).endswith(encoded(dataset))


def test_associations_overlap(node, tmp_path):
    folders = [tmp_path / str(number) for number in range(4)]
    heard: list[int] = []

    def modality(number: int) -> None:
        folders[number].mkdir()
        datasets = [radiograph(number * 10 + item) for item in range(5)]
        heard.extend(statuses(node, save(folders[number], *datasets)))

    modalities = [
        threading.Thread(target=modality, args=(number,)) for number in range(4)
    ]
    for thread in modalities:
        thread.start()
    for thread in modalities:
        thread.join()
    assert heard == [0] * 20
    assert node.receiver.queued() == 20


def test_an_image_that_is_not_for_analysis_is_no_failure(node, tmp_path):
    dataset = radiograph(1, ViewPosition="LL")
    assert statuses(node, save(tmp_path, dataset)) == [0x0000]
    assert node.receiver.instance(dataset.SOPInstanceUID).not_eligible is not None


def test_the_same_image_again_is_a_success_and_another_one_a_duplicate(node, tmp_path):
    first, other = radiograph(1), radiograph(1, PatientID="SOMEBODY-ELSE")
    results = list(
        send(
            save(tmp_path, first, first, other),
            node.remote,
            calling_ae=MODALITY,
            timeouts=PATIENT,
        )
    )
    assert [result.status for result in results] == [0x0000, 0x0000, 0x0111]
    uid = first.SOPInstanceUID
    assert node.receiver.stored(uid).endswith(encoded(first))
    assert len(node.receiver.quarantined()) == 1


def test_a_full_disk_is_out_of_resources_and_the_node_goes_on(start, tmp_path):
    node = start(watermark_bytes=1 << 60)
    (path,) = save(tmp_path, radiograph(1))
    assert statuses(node, [path, path]) == [0xA700, 0xA700]
    echo(node.remote, calling_ae=MODALITY, timeouts=PATIENT)
    node.receiver.reception._store = FileObjectStore(tmp_path / "objects")
    assert statuses(node, [path]) == [0]


def test_an_object_that_is_too_large_is_refused_and_the_next_one_stored(
    start, tmp_path
):
    node = start(maximum_object_bytes=20_000)
    large = radiograph(1, PixelData=bytes(40_000))
    paths = save(tmp_path, large, radiograph(2))
    assert statuses(node, paths) == [0xC000, 0x0000]
    assert not node.receiver.knows(large.SOPInstanceUID)
    assert node.receiver.half_written() == []


def test_a_data_set_that_ends_too_early_cannot_be_understood(node, tmp_path):
    (path,) = save(tmp_path, radiograph(1))
    path.write_bytes(path.read_bytes()[:-500])
    assert statuses(node, [path]) == [0xC000]
    assert not node.receiver.knows(radiograph(1).SOPInstanceUID)


def test_a_data_set_that_is_another_instance_does_not_match(node, tmp_path):
    (path,) = save(tmp_path, radiograph(1))
    data = encoded(radiograph(1))
    meta = path.read_bytes().removesuffix(data)
    uid = radiograph(1).SOPInstanceUID
    other = uid[:-1] + ("1" if uid[-1] != "1" else "2")
    path.write_bytes(meta.replace(uid.encode(), other.encode()) + data)
    assert statuses(node, [path]) == [0xA900]
    assert not node.receiver.knows(uid)
    assert not node.receiver.knows(other)


def test_unknown_classes_are_not_accepted(node, tmp_path):
    dataset = radiograph(1)
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = (
        SegmentationStorage
    )
    known = radiograph(2)
    results = list(
        send(
            save(tmp_path, dataset, known),
            node.remote,
            calling_ae=MODALITY,
            timeouts=PATIENT,
        )
    )
    assert type(results[0].error).__name__ == "ClassNotAccepted"
    assert results[0].status is None
    assert results[1].status == 0


def test_no_patient_is_in_the_log(node, tmp_path, caplog):
    caplog.set_level(logging.DEBUG)
    marks = {
        "PatientName": "Zebra^Quagga",
        "PatientID": "ZQ-4711",
        "PatientBirthDate": "19470229",
        "AccessionNumber": "ZQACC",
    }
    good = radiograph(1, **marks)
    bad = radiograph(1, **{**marks, "PatientID": "ZQ-4712"})
    broken = save(tmp_path, radiograph(2, **marks))[0]
    broken.write_bytes(broken.read_bytes()[:-500])
    folder = tmp_path / "more"
    folder.mkdir()
    assert statuses(node, [*save(folder, good, bad), broken]) == [0, 0x0111, 0xC000]
    log = caplog.text + "".join(str(record.__dict__) for record in caplog.records)
    assert "Received an image" in log
    for mark in ("Zebra", "ZQ-47", "19470229", "ZQACC"):
        assert mark not in log
