"""The whole way on one machine: a radiograph in, SEG and SR at a small PACS.

Starts a real node on SQLite and files, a receiving PACS beside it, sends a film by
C-STORE, waits, and tells what a radiologist would get. Nothing is faked: only the
film is drawn, unless the user brings one.
"""

import json
import re
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image
from pydicom import dcmread
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom import evt
from pynetdicom.ae import ApplicationEntity

from dicom_node.dimse.scu import storage
from dicom_node.dimse.scu.association import RemoteAE
from dicom_node.errors import NodeError
from dicom_node.evidence.kinds import KINDS, ON_REQUEST, USUAL, EvidenceKind
from dicom_node.node.node import Node
from dicom_node.node.settings.load import Settings
from dicom_node.node.wiring.remotes import timeouts
from dicom_node.phantom.dataset import synthetic_dataset
from dicom_node.worklist.result import Result

MODALITY, PACS = "MODALITY", "DEMO_PACS"
SHOWN = (*USUAL, EvidenceKind.SECONDARY_CAPTURE)
PATIENCE_S = 600.0
LOOK_EVERY_S = 0.1
_OWN_NAMES = ("film.dcm", "overlay.png")
_RECEIVED = re.compile(r"[A-Z]{2,16}-[0-9.]{1,64}\.dcm$")
"""How the receiving PACS names its files."""
FINAL = ("delivered", "not eligible", "failed", "canceled")


class DemoFailed(NodeError):
    """The film came to nothing; the message says why, with its code."""


@dataclass(frozen=True, slots=True)
class Delivered:
    """What the demonstration shows.

    Parameters
    ----------
    result
        What the node said, as ``/api/v1/jobs`` tells it.
    analysis_s
        How long that took.
    files
        Kind of result -> the file that the PACS wrote.
    overlay
        The picture.
    """

    result: Result
    analysis_s: float
    files: dict[EvidenceKind, Path]
    overlay: Path


class ReceivingPACS:
    """A Storage SCP that writes each object to a file, and nothing more.

    Parameters
    ----------
    folder
        Where to.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.files: dict[str, Path] = {}

    @contextmanager
    def listening(self) -> Iterator[int]:
        """Listen on a free loopback port for the length of a block."""
        entity = ApplicationEntity(ae_title=PACS)
        for sop_class in {KINDS[kind].sop_class for kind in ON_REQUEST}:
            entity.add_supported_context(
                sop_class, [ExplicitVRLittleEndian, ImplicitVRLittleEndian]
            )
        entity.add_supported_context("1.2.840.10008.1.1")
        server: Any = entity.start_server(
            ("127.0.0.1", 0),
            block=False,
            evt_handlers=[(evt.EVT_C_STORE, self._store), (evt.EVT_C_ECHO, _echo)],
        )
        try:
            yield int(server.socket.getsockname()[1])
        finally:
            server.shutdown()

    def _store(self, event: evt.Event) -> int:
        request: Any = event.request
        uid = str(request.AffectedSOPInstanceUID)
        modality = str(event.dataset.get("Modality", "OT"))
        path = self._folder / f"{modality}-{uid}.dcm"
        path.write_bytes(event.encoded_dataset())
        self.files[uid] = path
        return 0x0000


def _echo(_event: evt.Event) -> int:
    return 0x0000


def run(output: Path, image: Path | None, config: Path | None = None) -> Delivered:
    """Send a film through a node of its own.

    Parameters
    ----------
    output
        Folder for what the PACS receives and the overlay.
    image
        The user's film; a drawn one without it.
    config
        The user's TOML file, for the model to use.

    Raises
    ------
    DemoFailed
        The film is unsuitable, or was not stored or analysed.
    """
    output.mkdir(parents=True, exist_ok=True)
    clear(output, keep=image)
    film = image or _drawn(output / "film.dcm")
    pacs = ReceivingPACS(output / "pacs")
    with (
        tempfile.TemporaryDirectory(prefix="cxr-node-demo-") as data_dir,
        pacs.listening() as pacs_port,
    ):
        settings = _settings(config, Path(data_dir), pacs_port)
        with Node(settings) as node:
            uid = _send(film, settings, node.dimse_port or 0)
            job = _wait(uid, node.http_port or 0)
    made = {item["kind"]: item["sop_instance_uid"] for item in job["evidence"]}
    files = {
        kind: pacs.files[made[kind]] for kind in SHOWN if made.get(kind) in pacs.files
    }
    overlay = _overlay(files, output / "overlay.png")
    result = Result.from_json(job)
    return Delivered(result, job["timings"]["analysis_s"], files, overlay)


def clear(output: Path, keep: Path | None = None) -> None:
    """Remove what an earlier run left in a folder, and nothing that is somebody's.

    Parameters
    ----------
    keep
        The user's film, which may be one that the demonstration drew.
    """
    left = [output / name for name in _OWN_NAMES]
    left += [
        path for path in (output / "pacs").glob("*.dcm") if _RECEIVED.match(path.name)
    ]
    for path in left:
        if path.is_file() and not (keep and path.samefile(keep)):
            path.unlink()


def _drawn(path: Path) -> Path:
    synthetic_dataset("CR", seed=1).save_as(path, enforce_file_format=True)
    return path


def _settings(config: Path | None, data_dir: Path, pacs_port: int) -> Settings:
    destination = {
        "name": "demo-pacs",
        "ae_title": PACS,
        "host": "127.0.0.1",
        "port": pacs_port,
        "evidence": SHOWN,
    }
    return Settings.load(
        config,
        {
            "node": {"data_dir": data_dir, "minimum_free_bytes": 50_000_000},
            "dimse": {
                "host": "127.0.0.1",
                "port": 0,
                "peers": [{"ae_title": MODALITY}],
            },
            "database": {"url": ""},
            "http": {"host": "127.0.0.1", "port": 0, "auth": {"api_keys": []}},
            "destinations": [destination],
        },
    )


def _send(film: Path, settings: Settings, port: int) -> str:
    remote = RemoteAE(settings.node.ae_title, "127.0.0.1", port)
    (result,) = storage.send(
        [film], remote, calling_ae=MODALITY, timeouts=timeouts(settings)
    )
    if result.error is not None:
        raise DemoFailed(f"not stored: {result.error}")
    return result.sop_instance_uid


def _wait(sop_instance_uid: str, port: int) -> dict[str, Any]:
    """Look at the job, as an administrator's script would, until it has ended."""
    base = f"http://127.0.0.1:{port}/api/v1"
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until:
        seen = _get(f"{base}/instances/{sop_instance_uid}")
        if seen["state"] == "delivered":
            return _get(f"{base}/jobs/{seen['workitem_uid']}")
        if seen["state"] in FINAL:
            reason = seen["reason"] or {"code": "?", "text": "no reason"}
            raise DemoFailed(f"{seen['state']}: {reason['code']}: {reason['text']}")
        time.sleep(LOOK_EVERY_S)
    raise DemoFailed(f"not delivered after {PATIENCE_S:.0f} s")


def _get(url: str) -> dict[str, Any]:
    with urllib.request.urlopen(url, timeout=PATIENCE_S) as answer:  # noqa: S310  our own loopback port
        found: dict[str, Any] = json.load(answer)
    return found


def _overlay(files: dict[EvidenceKind, Path], path: Path) -> Path:
    """Turn the Secondary Capture, as it arrived, into a PNG."""
    capture = dcmread(files[EvidenceKind.SECONDARY_CAPTURE])
    Image.fromarray(capture.pixel_array).save(path)
    return path
