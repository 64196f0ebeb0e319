"""DCMTK's tools and Orthanc against the node's DIMSE services, in both roles."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    RLELossless,
)

from dicom_node.dimse.acceptor.admission import Peer
from dicom_node.dimse.scu.association import RemoteAE
from dicom_node.dimse.scu.storage import send
from dicom_node.dimse.scu.verification import echo
from dicom_node.errors import PeerUnreachable
from dicom_node.phantom.dataset import synthetic_dataset
from tests.peers import toolkits as peers
from tests.peers.receiving import (
    MODALITY,
    NODE,
    PATIENT,
    Listening,
    encoded,
    listening,
    radiograph,
    written,
)

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(
        not peers.is_installed("echoscu", "storescu", "dcmsend", "storescp"),
        reason="DCMTK is not installed",
    ),
]


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Listening]:
    folder = tmp_path / "node"
    folder.mkdir()
    modality = (Peer(MODALITY, "127.0.0.1"), Peer("ORTHANC"))
    with listening(folder, accept_unknown_peers=False, peers=modality) as started:
        yield started


def run(
    tool: str, node: Listening, *arguments: object, calling=MODALITY, called=NODE
) -> subprocess.CompletedProcess[str]:
    """Run a tool of DCMTK against the node."""
    titles = ["-v", "-aet", calling, "-aec", called]
    address = ["127.0.0.1", str(node.port)]
    return subprocess.run(
        [tool, *titles, *address, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        env={**os.environ, "TCP_NODELAY": "1"},
    )


def save(folder: Path, *datasets) -> list[Path]:
    folder.mkdir(exist_ok=True)
    paths = []
    for number, dataset in enumerate(datasets):
        paths.append(folder / f"{number}.dcm")
        paths[-1].write_bytes(written(dataset))
    return paths


def test_echoscu_is_answered(node):
    assert run("echoscu", node).returncode == 0


def test_echoscu_hears_why_it_is_rejected(node):
    stranger = run("echoscu", node, calling="STRANGER")
    assert stranger.returncode != 0
    assert "Calling AE Title Not Recognized" in stranger.stderr
    lost = run("echoscu", node, called="SOMEBODY")
    assert "Called AE Title Not Recognized" in lost.stderr


@pytest.mark.parametrize("kind", ["CR", "DX", "DX-PROCESSING", "SC"])
def test_dcmsend_stores_every_class(node, tmp_path, kind):
    datasets = [synthetic_dataset(kind, seed, rows=128, columns=96) for seed in (1, 2)]
    save(tmp_path / "in", *datasets)
    done = run("dcmsend", node, "+sd", tmp_path / "in")
    assert done.returncode == 0, done.stderr
    for dataset in datasets:
        stored = node.receiver.stored(dataset.SOPInstanceUID)
        assert stored.endswith(encoded(dataset))


SENT_BY_STORESCU = {
    "-xe": ExplicitVRLittleEndian,
    "-xi": ImplicitVRLittleEndian,
    "-xd": DeflatedExplicitVRLittleEndian,
    "-xr": RLELossless,
}


@pytest.mark.parametrize("option", SENT_BY_STORESCU)
def test_storescu_stores_in_the_syntax_it_proposes(node, tmp_path, option):
    syntax = SENT_BY_STORESCU[option]
    source = ExplicitVRLittleEndian if syntax != RLELossless else RLELossless
    dataset = synthetic_dataset("CR", 1, rows=128, columns=96, transfer_syntax=source)
    (path,) = save(tmp_path / "in", dataset)
    done = run("storescu", node, option, path)
    assert done.returncode == 0, done.stderr
    instance = node.receiver.instance(dataset.SOPInstanceUID)
    assert instance.transfer_syntax_uid == syntax
    file = tmp_path / "stored.dcm"
    file.write_bytes(node.receiver.stored(dataset.SOPInstanceUID))
    dumped = subprocess.run(
        ["dcmdump", str(file)], capture_output=True, text=True, check=False
    )
    assert dumped.returncode == 0, dumped.stderr
    assert MODALITY in dumped.stdout
    assert dcmread(file).PatientID == dataset.PatientID


@pytest.mark.parametrize("maximum_pdu", [4096, 131072])
def test_storescu_stores_a_large_image_in_pdus_of_any_size(node, tmp_path, maximum_pdu):
    dataset = radiograph(1, PixelData=bytes(range(256)) * 20_000)
    (path,) = save(tmp_path / "in", dataset)
    done = run("storescu", node, "--max-send-pdu", maximum_pdu, path)
    assert done.returncode == 0, done.stderr
    assert node.receiver.stored(dataset.SOPInstanceUID).endswith(encoded(dataset))


def test_storescu_hears_that_an_object_is_known_with_other_bytes(node, tmp_path):
    first, other = radiograph(1), radiograph(1, PatientID="OTHER")
    paths = save(tmp_path / "in", first, other)
    done = run("storescu", node, *paths)
    assert "Received Store Response (Success)" in done.stderr
    assert "0x111" in done.stderr
    assert len(node.receiver.quarantined()) == 1


def test_storescp_receives_what_the_node_sends(storescp, tmp_path):
    datasets = [
        synthetic_dataset(kind, 1, rows=128, columns=96) for kind in ("CR", "DX", "SC")
    ]
    remote = RemoteAE(storescp.ae_title, storescp.host, storescp.port)
    echo(remote, calling_ae=NODE, timeouts=PATIENT)
    paths = save(tmp_path / "out", *datasets)
    results = list(send(paths, remote, calling_ae=NODE, timeouts=PATIENT))
    assert [result.status for result in results] == [0, 0, 0]
    received = {
        path.read_bytes()[-len(encoded(dataset)) :]
        for dataset in datasets
        for path in storescp.files()
    }
    assert all(encoded(dataset) in received for dataset in datasets)


def test_orthanc_receives_what_the_node_sends(orthanc, tmp_path):
    dataset = synthetic_dataset("DX", 1, rows=128, columns=96)
    remote = RemoteAE(orthanc.ae_title, orthanc.host, orthanc.port)
    echo(remote, calling_ae=NODE, timeouts=PATIENT)
    paths = save(tmp_path / "out", dataset)
    (result,) = send(paths, remote, calling_ae=NODE, timeouts=PATIENT)
    assert result.status == 0
    assert orthanc.file(dataset.SOPInstanceUID).endswith(encoded(dataset))


def test_orthanc_hears_why_it_cannot_be_reached_under_another_name(orthanc):
    wrong = RemoteAE("SOMEBODY", orthanc.host, orthanc.port)
    said = []
    for _ in range(3):  # on a busy machine Orthanc may hang up before it says why
        with pytest.raises(PeerUnreachable) as told:
            echo(wrong, calling_ae=NODE, timeouts=PATIENT)
        said.append(str(told.value))
    assert any("called AE title" in one for one in said)


def test_orthanc_sends_to_the_node(node, start_orthanc):
    pacs = start_orthanc(
        peers.OrthancOptions(modalities=[peers.Modality(NODE, node.port)])
    )
    dataset = synthetic_dataset("CR", 1, rows=128, columns=96)
    pacs.post("/instances", written(dataset))
    pacs.send(dataset.SOPInstanceUID, NODE)
    stored = node.receiver.stored(dataset.SOPInstanceUID)
    assert stored.endswith(encoded(dataset))
    assert node.receiver.instance(dataset.SOPInstanceUID).calling_ae == "ORTHANC"
