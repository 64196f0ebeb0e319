"""An encoder with a bug: what it makes never leaves the node, and the job says why."""

from dataclasses import replace

import pytest
from pydicom.config import IGNORE
from pydicom.dataelem import DataElement
from pydicom.tag import Tag

from dicom_node.evidence import encode as evidence
from tests.factories import nodes
from tests.factories.radiographs import synthetic_dataset
from tests.peers.pacs import PACS

KIND = "presentation-state"


def without_an_attribute(dataset):
    del dataset.PresentationLUTShape


def with_an_invalid_uid(dataset):
    tag = Tag("SeriesInstanceUID")
    dataset.add(DataElement(tag, "UI", "1..3", validation_mode=IGNORE))


def of_another_patient(dataset):
    dataset.PatientID = "SOMEBODY ELSE"


def of_another_image(dataset):
    series = dataset.ReferencedSeriesSequence[0]
    series.ReferencedImageSequence[0].ReferencedSOPInstanceUID = "1.2.3"


FAULTS = [
    (without_an_attribute, "the object has no PresentationLUTShape"),
    (with_an_invalid_uid, "SeriesInstanceUID is not a valid UID"),
    (of_another_patient, "PatientID is not the source's"),
    (of_another_image, "leads to an unknown object"),
]


@pytest.fixture
def spoilt(monkeypatch):
    """Make the encoder of one kind a faulty one."""
    usual = evidence.MAKING[KIND]

    def spoil_with(fault):
        def faulty(*args):
            dataset = usual.encode(*args)
            fault(dataset)
            return dataset

        monkeypatch.setitem(evidence.MAKING, KIND, replace(usual, encode=faulty))

    return spoil_with


def job_of_a_film(folder, kinds, state):
    """Send a film to a node that makes these kinds; its job, and what the PACS got."""
    film, pacs = synthetic_dataset("CR", rows=512, columns=448), PACS()
    with pacs.listening():
        receiver = nodes.destination("pacs", pacs.port, evidence=list(kinds))
        with nodes.scripted_node(nodes.settings(folder, [receiver])) as node:
            nodes.send(node, nodes.save(film, folder))
            nodes.wait_for_state(node, film.SOPInstanceUID, state)
            path = f"/api/v1/jobs?sop_instance_uid={film.SOPInstanceUID}"
            (job,) = nodes.get(node, path)["items"]
    return job, pacs.stores


@pytest.mark.parametrize(("fault", "says"), FAULTS)
def test_what_a_faulty_encoder_makes_is_not_sent_the_others_are(
    tmp_path, spoilt, fault, says
):
    spoilt(fault)
    kinds = ("segmentation", KIND)
    job, stored = job_of_a_film(tmp_path, kinds, "delivered")
    (failed,) = job["evidence_failed"]
    assert failed["kind"] == KIND
    assert says in failed["reason"]
    assert "SOMEBODY" not in str(job)
    assert [one["kind"] for one in job["evidence"]] == ["segmentation"]
    assert len(stored) == 1


@pytest.mark.parametrize(("fault", "says"), FAULTS)
def test_a_job_that_has_nothing_else_fails_and_says_why(tmp_path, spoilt, fault, says):
    spoilt(fault)
    job, stored = job_of_a_film(tmp_path, (KIND,), "failed")
    assert job["state"] == "CANCELED"
    assert job["reason"]["code"] == "EVIDENCE_INVALID"
    assert says in job["reason"]["text"]
    assert "SOMEBODY" not in str(job)
    assert (stored, job["evidence"], job["deliveries"]) == ([], [], [])
