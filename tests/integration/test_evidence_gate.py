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
    dataset.add(DataElement(tag, "UI", "1.02.3", validation_mode=IGNORE))


def of_another_patient(dataset):
    dataset.PatientID = "SOMEBODY ELSE"


def of_another_image(dataset):
    series = dataset.ReferencedSeriesSequence[0]
    series.ReferencedImageSequence[0].ReferencedSOPInstanceUID = "1.2.3"


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (without_an_attribute, "the object has no PresentationLUTShape"),
        (with_an_invalid_uid, "SeriesInstanceUID is not a valid UID"),
        (of_another_patient, "PatientID is not the source's"),
        (of_another_image, "leads to an unknown object"),
    ],
)
def test_what_a_faulty_encoder_makes_is_not_sent_and_the_job_says_why(
    tmp_path, monkeypatch, spoil, says
):
    usual = evidence.MAKING[KIND]

    def faulty(*args):
        dataset = usual.encode(*args)
        spoil(dataset)
        return dataset

    monkeypatch.setitem(evidence.MAKING, KIND, replace(usual, encode=faulty))
    film, pacs = synthetic_dataset("CR", rows=512, columns=448), PACS()
    with pacs.listening():
        settings = nodes.settings(tmp_path, [nodes.destination("pacs", pacs.port)])
        with nodes.scripted_node(settings) as node:
            nodes.send(node, nodes.save(film, tmp_path))
            nodes.wait_for_state(node, film.SOPInstanceUID, "failed", timeout_s=300)
            path = f"/api/v1/jobs?sop_instance_uid={film.SOPInstanceUID}"
            (job,) = nodes.get(node, path)["items"]
    assert job["state"] == "CANCELED"
    assert job["reason"]["code"] == "EVIDENCE_INVALID"
    assert says in job["reason"]["text"]
    assert "SOMEBODY" not in str(job)
    assert (pacs.stores, job["evidence"], job["deliveries"]) == ([], [], [])
