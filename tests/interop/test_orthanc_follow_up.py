"""The same patient again, and a recall beside a node that runs, in a real Orthanc."""

import json
from io import BytesIO

import pytest
from click.testing import CliRunner
from pydicom import dcmread

from dicom_node.cli import cli
from dicom_node.evidence import codes
from tests.factories.nodes import (
    EVIDENCE,
    destination,
    get,
    request,
    save,
    scripted_node,
    send,
    settings,
    wait_for_state,
    wait_until,
)
from tests.factories.radiographs import synthetic_dataset
from tests.peers import toolkits as peers

pytestmark = pytest.mark.interop


def take(folder, seed, day):
    """A film of the one patient."""
    film = synthetic_dataset("CR", seed, rows=512, columns=448)
    film.PatientID, film.AcquisitionDate = "P1", day
    return film, save(film, folder)


def job_of(node, film):
    (job,) = [
        item
        for item in get(node, f"/api/v1/jobs?sop_instance_uid={film.SOPInstanceUID}")[
            "items"
        ]
        if item["replaced_by"] is None
    ]
    return job


def held(orthanc, modality):
    found = [dcmread(BytesIO(orthanc.file(uid))) for uid in orthanc.instances()]
    return [each for each in found if each.Modality == modality]


def measured(item):
    values = set()
    for each in item.get("ContentSequence", ()):
        if each.ValueType == "NUM":
            values.add(each.ConceptNameCodeSequence[0].CodeValue)
        values |= measured(each)
    return values


@pytest.fixture
def orthanc(start_orthanc):
    return start_orthanc(peers.OrthancOptions())


def test_a_follow_up_a_repetition_and_a_recall(tmp_path, orthanc):
    before, now = take(tmp_path, 1, "20260301"), take(tmp_path, 2, "20260303")
    conf = settings(
        tmp_path / "node", [destination("pacs", orthanc.port, ae_title="ORTHANC")]
    )
    with scripted_node(conf) as node:
        for film, path in (before, now):
            send(node, path)
            wait_for_state(node, film.SOPInstanceUID, "delivered")
        job = job_of(node, now[0])
        reports = {each.SOPInstanceUID: each for each in held(orthanc, "SR")}
        (uid,) = [
            item["sop_instance_uid"]
            for item in job["evidence"]
            if item["kind"] == "measurement-report"
        ]
        assert codes.CHANGE_TOTAL.value in measured(reports[uid])
        assert job["prior"]["image"]["sop_instance_uid"] == before[0].SOPInstanceUID
        stored = set(orthanc.instances())
        assert len(stored) == 2 * len(EVIDENCE)

        path = f"/api/v1/jobs/{job['workitem_uid']}/reprocess"
        status, answer = request(node, "POST", path)
        assert status == 200
        assert wait_until(
            lambda: (
                get(node, f"/api/v1/jobs/{answer['workitem_uid']}")["state"]
                == "COMPLETED"
            )
        )
        assert set(orthanc.instances()) == stored
        assert request(node, "POST", path)[0] == 409

        file = tmp_path / "node.toml"
        file.write_text(f'[node]\ndata_dir = "{conf.node.data_dir}"\n')
        recall = (
            "recall",
            "--model",
            "scripted@1",
            "--config",
            str(file),
            "--json",
            "--yes",
        )
        result = CliRunner().invoke(cli, recall)
        assert (result.exit_code, result.stderr) == (0, "")
        objects = {
            uid for one in json.loads(result.stdout)["items"] for uid in one["objects"]
        }
        assert objects == stored
        assert wait_until(lambda: len(orthanc.instances()) == len(stored) + 2)
        recalled = job_of(node, now[0])["recalled"]
        assert recalled["reason"] == "quality"
    notes = {each.SOPInstanceUID: each for each in held(orthanc, "KO")}
    note = notes[recalled["rejection_note_uid"]]
    assert note.StudyInstanceUID == now[0].StudyInstanceUID
    assert len(notes) == 2
