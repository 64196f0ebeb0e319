"""Storage Commitment with Orthanc, which asks and is asked."""

import pytest

from dicom_node.dataset.part10 import IMPLEMENTATION_CLASS_UID
from tests.factories.nodes import (
    AE_TITLE,
    destination,
    get,
    save,
    scripted_node,
    send,
    settings,
    wait_for_state,
    wait_until,
)
from tests.factories.radiographs import synthetic_dataset
from tests.peers import toolkits as peers
from tests.peers.ports import free_port

pytestmark = pytest.mark.interop


def film(folder, seed=0):
    dataset = synthetic_dataset("CR", seed, rows=512, columns=448)
    return dataset, save(dataset, folder)


def node_settings(folder, port, our_port, **changes):
    pacs = destination("pacs", port, ae_title="ORTHANC", **changes)
    peer = {"ae_title": "ORTHANC", "port": port}
    return settings(
        folder / "node",
        [pacs],
        dimse={"port": our_port, "peers": [peer, {"ae_title": "MODALITY"}]},
    )


def test_orthanc_commits_itself_to_keep_our_results(tmp_path, start_orthanc):
    our_port = free_port()
    us = peers.Modality(AE_TITLE, our_port)
    orthanc = start_orthanc(peers.OrthancOptions(modalities=[us]))
    conf = node_settings(tmp_path, orthanc.port, our_port, storage_commitment=True)
    image, path = film(tmp_path)
    with scripted_node(conf) as node:
        send(node, path)
        wait_for_state(node, image.SOPInstanceUID, "committed", "commitment failed")
        (job,) = get(node, "/api/v1/jobs?stage=committed")["items"]
    assert job["state"] == "COMPLETED"
    assert {row["state"] for row in job["deliveries"]} == {"COMMITTED"}
    assert all(row["committed_at"] for row in job["deliveries"])


def test_orthanc_asks_this_node_and_gets_its_report(tmp_path, start_orthanc):
    our_port = free_port()
    us = peers.Modality(AE_TITLE, our_port)
    orthanc = start_orthanc(peers.OrthancOptions(modalities=[us]))
    image, path = film(tmp_path)
    orthanc.post("/instances", path.read_bytes())
    with scripted_node(node_settings(tmp_path, orthanc.port, our_port)):
        orthanc.send(image.SOPInstanceUID, AE_TITLE)
        asked = {
            "DicomInstances": [
                [image.SOPClassUID, image.SOPInstanceUID],
                [image.SOPClassUID, IMPLEMENTATION_CLASS_UID],
            ]
        }
        answer = orthanc.post(f"/modalities/{AE_TITLE}/storage-commitment", asked)
        assert wait_until(lambda: orthanc.get(answer["Path"])["Status"] != "Pending")
        report = orthanc.get(answer["Path"])
    assert report["Status"] == "Failure"
    assert [one["SOPInstanceUID"] for one in report["Success"]] == [
        image.SOPInstanceUID
    ]
    (failed,) = report["Failures"]
    assert failed["SOPInstanceUID"] == IMPLEMENTATION_CLASS_UID
    assert failed["FailureReason"] == 0x0112
