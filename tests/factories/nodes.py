"""Nodes for tests: real in everything but the network, which answers by script."""

import json
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydicom.dataset import Dataset

from dicom_node.dimse.scu import storage
from dicom_node.dimse.scu.association import RemoteAE
from dicom_node.node.node import Node
from dicom_node.node.parts import Parts
from dicom_node.node.roles import Role
from dicom_node.node.settings.load import Settings
from dicom_node.node.wiring.parts import open_parts
from tests.factories.choices import timeouts
from tests.fakes.runner import ScriptedRunner

AE_TITLE, MODALITY = "CXR_NODE", "MODALITY"
EVIDENCE = (
    "segmentation",
    "lung-segmentation",
    "measurement-report",
    "presentation-state",
)
PATIENCE_S = 180.0
"""Longer than anything takes on the busiest machine: only a defect waits so long."""
# A look now and then, for what no event announces; it is never set.
_NEVER = threading.Event()


def scripted_node(
    settings: Settings,
    role: Role = Role.ALL,
    runner: ScriptedRunner | None = None,
) -> Node:
    """A node whose model answers by script."""
    answering = runner or ScriptedRunner()

    def parts(settings: Settings) -> Parts:
        return replace(open_parts(settings), runner=lambda: answering)

    return Node(settings, role, parts)


def destination(name: str, port: int, **changes: Any) -> dict[str, Any]:
    """One entry of ``[[destinations]]``."""
    return {
        "name": name,
        "ae_title": "PACS",
        "host": "127.0.0.1",
        "port": port,
        "evidence": EVIDENCE,
    } | changes


def settings(
    folder: Path,
    destinations: Sequence[Mapping[str, Any]] = (),
    **sections: Mapping[str, Any],
) -> Settings:
    """Settings of an impatient node on free loopback ports."""
    defaults: dict[str, dict[str, Any]] = {
        "node": {"data_dir": folder, "minimum_free_bytes": 0, "stop_s": 120},
        "dimse": {"port": 0, "peers": [{"ae_title": MODALITY}]},
        "http": {"port": 0},
        "model": {"batch_wait_ms": 0},
        "worker": {"poll_s": 0.2},
        "delivery": {
            "first_retry_s": 0.2,
            "longest_retry_s": 1,
            "probe_s": 0.2,
        },
    }
    for name, values in sections.items():
        defaults[name] = defaults.get(name, {}) | dict(values)
    return Settings.load(None, {**defaults, "destinations": list(destinations)})


def save(dataset: Dataset, folder: Path) -> Path:
    """Write a data set as a Part 10 file."""
    path = folder / f"{dataset.SOPInstanceUID}.dcm"
    dataset.save_as(path, enforce_file_format=True)
    return path


def send(node: Node | int, *paths: Path, calling_ae: str = MODALITY) -> list[Any]:
    """C-STORE files to a node, by itself or by its port."""
    port = node if isinstance(node, int) else node.dimse_port
    assert port is not None
    remote = RemoteAE(AE_TITLE, "127.0.0.1", port)
    return list(storage.send(paths, remote, calling_ae=calling_ae, timeouts=timeouts()))


def get(node: Node | int, path: str, headers: Mapping[str, str] | None = None) -> Any:
    """GET JSON from a node's HTTP interface."""
    return request(node, "GET", path, headers)[1]


def request(
    node: Node | int,
    method: str,
    path: str,
    headers: Mapping[str, str] | None = None,
) -> tuple[int, Any]:
    """Ask a node's HTTP interface; status and JSON, refusals too."""
    port = node if isinstance(node, int) else node.http_port
    asked = urllib.request.Request(
        f"http://127.0.0.1:{port}{path}", method=method, headers=dict(headers or {})
    )
    try:
        with urllib.request.urlopen(asked, timeout=PATIENCE_S) as answer:  # noqa: S310  loopback
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as refusal:
        with refusal:
            return refusal.code, json.load(refusal)


def wait_until(condition: Callable[[], bool], timeout_s: float = PATIENCE_S) -> bool:
    """Wait for what no event announces."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        _NEVER.wait(0.02)
    return True


def wait_for_state(
    node: Node | int, sop_instance_uid: str, *states: str, timeout_s: float = PATIENCE_S
) -> dict[str, Any]:
    """Wait until an image stands in one of the states, and give it."""
    seen: dict[str, Any] = {}

    def arrived() -> bool:
        seen.update(get(node, f"/api/v1/instances/{sop_instance_uid}"))
        return seen.get("state") in states

    assert wait_until(arrived, timeout_s), f"still {seen.get('state')}: {seen}"
    return seen
