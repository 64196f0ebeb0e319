"""Every sample, good and broken, through the whole node and its own model.

Each file is sent by C-STORE under a UID of its own study and must end in its one
right state; what is analysed must lie in Orthanc. The table is printed with ``-s``.
"""

import csv
import subprocess
import sys
from pathlib import Path

import pytest

from dicom_node.node.node import Node
from tests.factories.nodes import destination, get, send, settings, wait_for_state
from tests.peers import toolkits as peers

CXR_NODE = Path(sys.executable).with_name("cxr-node")
FINAL = ("delivered", "not eligible", "failed", "canceled")
NOT_ELIGIBLE = {
    "RG3_J2KI.dcm": "NOT_CHEST",
    "RG3_JLSN.dcm": "NOT_CHEST",
    "RG3_JPLL.dcm": "NOT_CHEST",
    "RG3_RLE.dcm": "NOT_CHEST",
    "sc_ct_scout_abdomen.dcm": "MODALITY",
    "broken/RG3_JPLY_undecodable.dcm": "NOT_CHEST",
    "broken/sc_65535x65535_tiny_pixeldata.dcm": "MODALITY",
    "broken/dx_agfa_nopixeldata.dcm": "NOT_CHEST",
}
REFUSED = {
    # a negative of the film before it, under the same UID: kept aside
    "rsna_16d7f894_mistagged_MONOCHROME1.dcm": 0x0111,
    "broken/RG1_JLSN_truncated_half.dcm": 0x0111,
}
NEVER_ACCEPTED = ("ct_bigendian.dcm", "broken/no_pixel_data.dcm")
"""SOP classes that the node does not take."""
NO_DICOM = ("broken/udacity_test1_is_html.dcm",)


@pytest.fixture(scope="module")
def folder(shared_dir) -> Path:
    return shared_dir / "data" / "cxr" / "dicom"


@pytest.fixture(scope="module")
def index(folder):
    with (folder / "index.csv").open(newline="") as file:
        return {row["file"]: row for row in csv.DictReader(file)}


@pytest.mark.interop
@pytest.mark.slow
def test_every_sample_ends_in_its_one_right_state(tmp_path, folder, index):
    if not peers.is_installed(peers.ORTHANC):
        pytest.skip("Orthanc is not installed")
    with (
        peers.orthanc(tmp_path / "pacs") as orthanc,
        Node(
            settings(
                tmp_path / "node",
                [destination("pacs", orthanc.port, ae_title=orthanc.ae_title)],
                worker={"lease_s": 120, "poll_s": 1},
            )
        ) as node,
    ):
        states, uids = {}, {}
        for name in index:
            if name not in NO_DICOM:
                states[name], uids[name] = send_one(node, folder / name)
        for name, state in states.items():
            if state == "stored":
                seen = wait_for_state(node, uids[name], *FINAL, timeout_s=900)
                reason = seen.get("reason") or {}
                states[name] = (seen["state"], reason.get("code"))
        held = orthanc.instances()
        jobs = {
            name: get(node, f"/api/v1/jobs?sop_instance_uid={uids[name]}")["items"]
            for name, state in states.items()
            if state == ("delivered", None)
        }
    sys.stdout.writelines(f"{name:58} {state}\n" for name, state in states.items())
    assert states == wanted(index)
    assert all(jobs.values())
    for (job,) in jobs.values():
        assert {item["sop_instance_uid"] for item in job["evidence"]} <= held.keys()


@pytest.mark.slow
def test_a_film_cut_in_half_is_canceled_with_its_reason(tmp_path, folder):
    with Node(settings(tmp_path)) as node:
        state, uid = send_one(node, folder / "broken" / "RG1_JLSN_truncated_half.dcm")
        seen = wait_for_state(node, uid, *FINAL)
        job = get(node, f"/api/v1/jobs?sop_instance_uid={uid}")["items"][0]
    assert state == "stored"
    assert (seen["state"], seen["reason"]["code"]) == ("failed", "PIXELS_UNDECODABLE")
    assert job["state"] == "CANCELED"


@pytest.mark.slow
def test_a_negative_is_recognised_from_its_pixels(tmp_path, folder):
    with Node(settings(tmp_path)) as node:
        state, uid = send_one(node, folder / "rsna_16d7f894_mistagged_MONOCHROME1.dcm")
        seen = wait_for_state(node, uid, *FINAL)
    assert state == "stored"
    assert seen["state"] == "not eligible"
    assert seen["reason"]["code"] in {"INVERTED", "NOT_FRONTAL"}


def send_one(node, path) -> tuple[object, str]:
    (answer,) = send(node, path)
    if answer.status is None:
        return "not accepted", answer.sop_instance_uid
    return "stored" if answer.status == 0 else answer.status, answer.sop_instance_uid


def wanted(index) -> dict[str, object]:
    states: dict[str, object] = {}
    for name, row in index.items():
        if name in NO_DICOM:
            continue
        if name in NEVER_ACCEPTED:
            states[name] = "not accepted"
        elif name in REFUSED:
            states[name] = REFUSED[name]
        elif name in NOT_ELIGIBLE:
            states[name] = ("not eligible", NOT_ELIGIBLE[name])
        else:
            assert row["is_chest_xray"] == "yes"
            states[name] = ("delivered", None)
    return states


@pytest.mark.parametrize("command", ["send", "analyze"])
def test_a_page_named_dcm_gets_one_clear_line(folder, tmp_path, command):
    options = {
        "send": ["--to", "CXR_NODE@127.0.0.1:104"],
        "analyze": ["--output", str(tmp_path)],
    }
    answer = subprocess.run(
        [CXR_NODE, command, str(folder / NO_DICOM[0]), *options[command]],
        capture_output=True,
        text=True,
        check=False,
        timeout=900,
    )
    assert answer.returncode == 1
    assert "Traceback" not in answer.stderr
    assert "DICOM" in answer.stderr
