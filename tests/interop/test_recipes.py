"""The recipes of docs/recipes.md, as they are written there, with other addresses."""

import json
import shlex
import subprocess
import tomllib
from pathlib import Path

import pytest

from tests.factories.certificates import Authority
from tests.factories.nodes import (
    EVIDENCE,
    get,
    save,
    scripted_node,
    settings,
    wait_for_state,
    wait_until,
)
from tests.factories.pages import ROOT, commands, tables
from tests.factories.radiographs import synthetic_dataset
from tests.peers import toolkits as peers

pytestmark = pytest.mark.interop

NODE, ARCHIVE = "192.0.2.10", "192.0.2.4"
SCRIPT = ROOT / "conf" / "orthanc" / "cxr-node.lua"
SITE = ROOT / "conf" / "orthanc" / "orthanc.json"


def film(folder, kind="CR", seed=0, **changes):
    dataset = synthetic_dataset(kind, seed, rows=512, columns=448, **changes)
    return dataset, save(dataset, folder)


def node_settings(recipe, folder, port, dimse=None):
    """The node's entries as the page has them, at addresses of this machine."""
    (text,) = tables("recipes.md", recipe)
    entries = tomllib.loads(text.replace(ARCHIVE, "127.0.0.1"))
    for place in entries["destinations"]:
        place |= {"port": port, "evidence": EVIDENCE}
    table = {"port": 0, "peers": entries["dimse"]["peers"]} | (dimse or {})
    return settings(folder / "node", entries["destinations"], dimse=table)


def run(line: str, *replaced: tuple[str, object], cwd: Path) -> str:
    for old, new in replaced:
        line = line.replace(old, str(new))
    done = subprocess.run(
        shlex.split(line),
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_orthanc_forwards_chest_films_as_they_come_and_takes_results(
    tmp_path, start_orthanc, free_port
):
    site = json.loads(SITE.read_text())
    (name, (title, _, _)), *others = site["DicomModalities"].items()
    assert others == []
    orthanc = start_orthanc(
        peers.OrthancOptions(
            ae_title=site["DicomAet"],
            settings={
                "DicomModalities": {name: [title, "127.0.0.1", free_port]},
                "LuaScripts": [str(SCRIPT)],
                "OverwriteInstances": site["OverwriteInstances"],
            },
        )
    )
    conf = node_settings("Orthanc", tmp_path, orthanc.port, {"port": free_port})
    chests = [film(tmp_path, "CR", 1), film(tmp_path, "DX", 2)]
    chests.append(film(tmp_path, "CR", 3, BodyPartExamined=""))
    others = [film(tmp_path, "CR", 4, BodyPartExamined="KNEE")]
    others.append(film(tmp_path, "CR", 5, Modality="MG"))
    with scripted_node(conf) as node:
        for _, path in others + chests:
            # Half of them by the modality's way, half by people's.
            if path == chests[0][1]:
                calling = f"-aet MODALITY1 -aec {orthanc.ae_title}"
                run(f"storescu {calling} 127.0.0.1 {orthanc.port} {path}", cwd=tmp_path)
            else:
                orthanc.post("/instances", path.read_bytes())
        for dataset, _ in chests:
            wait_for_state(node, dataset.SOPInstanceUID, "delivered")
        count = len(others) + len(chests) * (1 + len(EVIDENCE))
        assert wait_until(lambda: len(orthanc.instances()) == count)
        # Results did not go round: whatever Orthanc was asked to send has been sent.
        assert wait_until(lambda: not running_jobs(orthanc))
        known = {one["sop_instance_uid"] for one in received(node)}
    assert known == {dataset.SOPInstanceUID for dataset, _ in chests}
    assert len(orthanc.get("/studies")) == len(others) + len(chests)


def running_jobs(orthanc):
    jobs = orthanc.get("/jobs?expand")
    return [job for job in jobs if job["State"] in ("Pending", "Running", "Retry")]


def received(node):
    return get(node, "/api/v1/instances")["items"]


def test_dcmtk_asks_sends_and_receives_as_printed(tmp_path):
    if not peers.is_installed("echoscu", "storescu", "storescp"):
        pytest.skip("DCMTK is not installed")
    echo, store, receive, _ = commands("recipes.md", "DCMTK")
    dataset, path = film(tmp_path)
    path.rename(tmp_path / "film.dcm")
    title, options, port = _receiver(receive)
    with peers.storescp(tmp_path / "pacs", *options, ae_title=title) as pacs:
        conf = node_settings("DCMTK", tmp_path, pacs.port)
        assert port == "11114"
        with scripted_node(conf) as node:
            here = (NODE, "127.0.0.1"), (" 11112", f" {node.dimse_port}")
            run(echo, *here, cwd=tmp_path)
            run(store, *here, cwd=tmp_path)
            wait_for_state(node, dataset.SOPInstanceUID, "delivered")
        assert len(pacs.files()) == len(EVIDENCE)


def _receiver(line):
    """The title, the other options, and the port of the page's storescp."""
    words = shlex.split(line)
    assert (words[0], words[1], words[-3]) == (
        "storescp",
        "--aetitle",
        "--output-directory",
    )
    return words[2], words[3:-3], words[-1]


def test_dcmtk_speaks_tls_as_printed(tmp_path):
    if not peers.is_installed("echoscu"):
        pytest.skip("DCMTK is not installed")
    *_, secure = commands("recipes.md", "DCMTK")
    authority = Authority(tmp_path, "ca")
    certificate, key = authority.issue("node")
    authority.issue("modality")
    tls = {"certificate": certificate, "key": key, "ca": authority.ca}
    conf = node_settings("DCMTK", tmp_path, 9, {"tls": tls})
    with scripted_node(conf) as node:
        here = (NODE, "127.0.0.1"), (" 11112", f" {node.dimse_port}")
        run(secure, *here, cwd=tmp_path)
