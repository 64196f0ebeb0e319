"""A film sent by a real Orthanc, results in a real Orthanc, which may go away."""

from io import BytesIO

import pytest
from pydicom import dcmread

from dicom_node.node.settings.evidence import EvidenceSection
from tests.factories.nodes import (
    AE_TITLE,
    EVIDENCE,
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
from tests.fakes.runner import ScriptedRunner
from tests.peers import toolkits as peers
from tests.peers.ports import free_port

pytestmark = pytest.mark.interop


def film(folder, kind="CR", seed=0):
    dataset = synthetic_dataset(kind, seed, rows=512, columns=448)
    return dataset, save(dataset, folder)


def node_settings(folder, port, dimse_port=0):
    peers_of_ours = [{"ae_title": "ORTHANC"}, {"ae_title": "MODALITY"}]
    return settings(
        folder / "node",
        [destination("pacs", port, ae_title="ORTHANC")],
        dimse={"port": dimse_port, "peers": peers_of_ours},
    )


@pytest.mark.parametrize("kind", ["CR", "DX"])
def test_results_of_a_film_arrive_in_orthanc_beside_it(
    tmp_path, start_orthanc, free_port, kind
):
    dataset, path = film(tmp_path, kind)
    modalities = [peers.Modality(AE_TITLE, free_port)]
    orthanc = start_orthanc(peers.OrthancOptions(modalities=modalities))
    orthanc.post("/instances", path.read_bytes())
    conf = node_settings(tmp_path, orthanc.port, free_port)
    with scripted_node(conf) as node:
        orthanc.send(dataset.SOPInstanceUID, AE_TITLE)
        wait_for_state(node, dataset.SOPInstanceUID, "delivered")
    (study,) = orthanc.get("/studies?expand")
    assert len(orthanc.instances()) == 1 + len(EVIDENCE)
    assert len(study["Series"]) == 1 + len(EVIDENCE)
    stored = [
        dcmread(BytesIO(orthanc.file(uid)))
        for uid in orthanc.instances()
        if uid != dataset.SOPInstanceUID
    ]
    assert sorted(one.Modality for one in stored) == ["PR", "SEG", "SEG", "SR"]
    first = EvidenceSection().series_number_base
    assert {one.SeriesNumber for one in stored} == set(range(first, first + 4))


def test_orthanc_goes_down_and_comes_back_and_nothing_is_lost_or_repeated(tmp_path):
    if not peers.is_installed(peers.ORTHANC):
        pytest.skip("Orthanc is not installed")
    options = peers.OrthancOptions(port=free_port())
    first, first_path = film(tmp_path, seed=1)
    second, second_path = film(tmp_path, seed=2)
    runner = ScriptedRunner()
    with scripted_node(node_settings(tmp_path, options.port), runner=runner) as node:
        with peers.orthanc(tmp_path / "orthanc", options):
            send(node, first_path)
            wait_for_state(node, first.SOPInstanceUID, "delivered")
        send(node, second_path)
        wait_for_state(node, second.SOPInstanceUID, "delivering")

        def has_tried():
            uid = second.SOPInstanceUID
            (job,) = get(node, f"/api/v1/jobs?sop_instance_uid={uid}")["items"]
            return all(row["attempts"] >= 2 for row in job["deliveries"])

        assert wait_until(has_tried)
        with peers.orthanc(tmp_path / "orthanc", options) as orthanc:
            wait_for_state(node, second.SOPInstanceUID, "delivered")
            assert len(orthanc.instances()) == 2 * len(EVIDENCE)
            assert len(orthanc.get("/studies")) == 2
        assert runner.batches == [1, 1]
