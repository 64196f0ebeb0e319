"""DCMTK's findscu, movescu and getscu, and Orthanc, ask the node for what it holds."""

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset

from dicom_node.node.node import Node
from tests.factories import nodes
from tests.peers import toolkits as peers
from tests.peers.ports import free_port
from tests.peers.receiving import radiograph

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(
        not peers.is_installed("findscu", "movescu", "getscu"),
        reason="DCMTK is not installed",
    ),
]
STUDY, VIEWER = "1.2.826.0.1.3680043.8.498.77", "VIEWER"
FILMS = (("CR", 1), ("CR", 2), ("DX", 3))


@dataclass
class Holding:
    """A node that holds a study."""

    node: Node
    films: dict[str, Dataset]
    viewer_port: int

    def call(self, tool: str, folder: Path, *arguments: str, root: str = "-S"):
        address = ["127.0.0.1", str(self.node.dimse_port)]
        titles = ["-v", "-aet", VIEWER, "-aec", nodes.AE_TITLE]
        return subprocess.run(
            [tool, *titles, root, *arguments, *address],
            cwd=folder,
            capture_output=True,
            check=False,
            text=True,
            errors="replace",
            timeout=nodes.PATIENCE_S,
        )


@pytest.fixture
def holding(tmp_path) -> Iterator[Holding]:
    port = free_port()
    known = [
        {"ae_title": nodes.MODALITY},
        {"ae_title": VIEWER, "address": "127.0.0.1", "port": port},
        {"ae_title": "ORTHANC", "address": "127.0.0.1", "port": port},
    ]
    settings = nodes.settings(tmp_path / "node", dimse={"port": 0, "peers": known})
    films = {}
    with nodes.scripted_node(settings) as node:
        for kind, number in FILMS:
            film = radiograph(
                number, kind=kind, StudyInstanceUID=STUDY, PatientID="P-77"
            )
            nodes.send(node, nodes.save(film, tmp_path))
            films[str(film.SOPInstanceUID)] = film
        yield Holding(node, films, port)


@pytest.fixture
def folder(tmp_path) -> Path:
    made = tmp_path / "got"
    made.mkdir()
    return made


def same_pixels(files, films) -> bool:
    got = {one.SOPInstanceUID: one.PixelData for one in map(dcmread, files)}
    return got == {uid: film.PixelData for uid, film in films.items()}


@pytest.mark.parametrize(
    ("root", "keys"),
    [
        ("-S", ["QueryRetrieveLevel=STUDY", "StudyInstanceUID", "PatientID=P-7*"]),
        ("-P", ["QueryRetrieveLevel=PATIENT", "PatientID=P-77", "PatientName"]),
        (
            "-S",
            ["QueryRetrieveLevel=SERIES", f"StudyInstanceUID={STUDY}", "Modality=DX"],
        ),
    ],
)
def test_findscu_finds(holding, folder, root, keys):
    wanted = [part for key in keys for part in ("-k", key)]
    done = holding.call("findscu", folder, "-X", *wanted, root=root)
    assert done.returncode == 0, done.stderr
    (answer,) = [dcmread(file, force=True) for file in folder.glob("rsp*.dcm")]
    assert answer.RetrieveAETitle == nodes.AE_TITLE


def test_getscu_gets_a_study(holding, folder):
    wanted = ["-k", "QueryRetrieveLevel=STUDY", "-k", f"StudyInstanceUID={STUDY}"]
    done = holding.call("getscu", folder, *wanted)
    assert done.returncode == 0, done.stderr
    assert same_pixels(folder.iterdir(), holding.films)


@pytest.mark.parametrize("root", ["-S", "-P"])
def test_movescu_has_a_study_sent_to_itself(holding, folder, root):
    wanted = ["-k", "QueryRetrieveLevel=STUDY", "-k", f"StudyInstanceUID={STUDY}"]
    patient = ["-k", "PatientID=P-77"] if root == "-P" else []
    done = holding.call(
        "movescu",
        folder,
        "--port",
        str(holding.viewer_port),
        "-aem",
        VIEWER,
        *wanted,
        *patient,
        root=root,
    )
    assert done.returncode == 0, done.stderr
    assert same_pixels(folder.iterdir(), holding.films)


def test_movescu_is_told_of_an_unknown_destination(holding, folder):
    wanted = ["-k", "QueryRetrieveLevel=STUDY", "-k", f"StudyInstanceUID={STUDY}"]
    done = holding.call("movescu", folder, "-aem", "NOBODY", *wanted)
    assert "MoveDestinationUnknown" in done.stdout + done.stderr
    assert not list(folder.iterdir())


@pytest.mark.skipif(not peers.is_installed("Orthanc"), reason="Orthanc is missing")
def test_orthanc_finds_a_study_and_has_it_sent(holding, tmp_path):
    options = peers.OrthancOptions(
        ae_title="ORTHANC",
        port=holding.viewer_port,
        modalities=[peers.Modality(nodes.AE_TITLE, holding.node.dimse_port)],
    )
    with peers.orthanc(tmp_path / "orthanc", options) as orthanc:
        asked = {"Level": "Study", "Query": {"PatientID": "P-77"}}
        query = orthanc.post(f"/modalities/{nodes.AE_TITLE}/query", asked)["ID"]
        (answer,) = orthanc.get(f"/queries/{query}/answers")
        content = orthanc.get(f"/queries/{query}/answers/{answer}/content")
        assert content["0020,000d"]["Value"] == STUDY
        target = {"TargetAet": "ORTHANC", "Synchronous": True}
        orthanc.post(f"/queries/{query}/answers/{answer}/retrieve", target)
        assert set(orthanc.instances()) == set(holding.films)
