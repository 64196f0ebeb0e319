"""Old studies are fetched from Orthanc, which is asked by C-FIND and C-MOVE."""

import pytest
from click.testing import CliRunner

from dicom_node.cli import cli
from tests.factories import nodes
from tests.factories.radiographs import synthetic_dataset
from tests.peers import toolkits as peers
from tests.peers.ports import free_port

pytestmark = pytest.mark.interop


def test_a_patients_studies_come_and_their_results_stay(tmp_path, start_orthanc):
    here = free_port()
    us = peers.Modality(nodes.AE_TITLE, here)
    orthanc = start_orthanc(peers.OrthancOptions(modalities=[us]))
    films = [
        synthetic_dataset("CR", number, rows=512, columns=448, PatientID=patient)
        for number, patient in ((1, "P1"), (2, "P1"), (3, "P2"))
    ]
    for film in films:
        orthanc.post("/instances", nodes.save(film, tmp_path).read_bytes())
    pacs = nodes.destination("pacs", orthanc.port, ae_title="ORTHANC")
    settings = nodes.settings(
        tmp_path / "node",
        [pacs],
        dimse={"port": here, "peers": [{"ae_title": "ORTHANC"}]},
    )
    config = tmp_path / "node.toml"
    config.write_text(
        f"""
[node]
data_dir = "{tmp_path / "node"}"
[dimse]
port = {here}
[[destinations]]
name = "pacs"
kind = "dimse"
ae_title = "ORTHANC"
host = "127.0.0.1"
port = {orthanc.port}
"""
    )
    asked = ["--from", "pacs", "--patient", "P1", "--modality", "CR,DX"]
    with nodes.scripted_node(settings) as node:
        done = CliRunner().invoke(cli, ["fetch", "--config", str(config), *asked])
        assert done.exit_code == 0, done.output
        assert done.output.endswith("2 fetched, 0 not.\n")
        for film in films[:2]:
            nodes.wait_for_state(node, film.SOPInstanceUID, "delivered")
        jobs = nodes.get(node, "/api/v1/jobs")["items"]
    assert {job["sop_instance_uid"] for job in jobs} == {
        film.SOPInstanceUID for film in films[:2]
    }
    assert not any(job["deliveries"] for job in jobs)
    assert set(orthanc.instances()) == {film.SOPInstanceUID for film in films}
