"""Foreign DICOM nodes, started for the length of a block: Orthanc and storescp.

Each listens on free loopback ports, keeps its files in a folder of the caller and is
stopped by its own process, whatever happens.
"""

# ruff: noqa: S310  the addresses are those of peers started here.

import json
import os
import shutil
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.peers.ports import free_port

ORTHANC = "Orthanc"
ORTHANC_PLUGINS = Path("/usr/share/orthanc/plugins")
DICOMWEB_PLUGIN = "libOrthancDicomWeb.so"
PATIENCE_S = 180.0
_NEVER = threading.Event()


@dataclass(frozen=True, slots=True)
class Modality:
    """A DICOM node that Orthanc knows by its AE title."""

    ae_title: str
    port: int
    host: str = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Orthanc:
    """A running Orthanc.

    Parameters
    ----------
    folder
        Its storage, configuration and ``orthanc.log``.
    """

    folder: Path
    ae_title: str
    port: int
    http_port: int
    pid: int
    host: str = "127.0.0.1"

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.http_port}"

    @property
    def dicomweb_url(self) -> str:
        return f"{self.url}/dicom-web"

    def get(self, path: str) -> Any:
        """GET a resource of Orthanc's REST API."""
        return json.loads(self.read(path))

    def read(self, path: str) -> bytes:
        with urllib.request.urlopen(self.url + path, timeout=PATIENCE_S) as response:
            return bytes(response.read())

    def post(self, path: str, body: object) -> Any:
        """POST JSON, or bytes as they are."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data=data, method="POST")
        with urllib.request.urlopen(request, timeout=PATIENCE_S) as response:
            return json.loads(response.read())

    def instances(self) -> dict[str, str]:
        """Map SOP Instance UID to Orthanc's own identifier, for all it holds."""
        return {
            instance["MainDicomTags"]["SOPInstanceUID"]: instance["ID"]
            for instance in self.get("/instances?expand")
        }

    def file(self, sop_instance_uid: str) -> bytes:
        """Read one object as Orthanc gives it out."""
        return self.read(f"/instances/{self.instances()[sop_instance_uid]}/file")

    def send(self, sop_instance_uid: str, ae_title: str) -> Any:
        """Make Orthanc send an object to one of its modalities."""
        body = {"Resources": [self.instances()[sop_instance_uid]], "Synchronous": True}
        return self.post(f"/modalities/{ae_title}/store", body)


@dataclass(frozen=True, slots=True)
class StoreSCP:
    """A running storescp; what it received lies in ``folder``."""

    folder: Path
    ae_title: str
    port: int
    pid: int
    host: str = "127.0.0.1"

    def files(self) -> list[Path]:
        return sorted(path for path in self.folder.rglob("*") if path.is_file())


@dataclass(frozen=True, slots=True)
class OrthancOptions:
    """How an Orthanc is started.

    Parameters
    ----------
    modalities
        Who may send to it, and where it can send to.
    dicomweb
        Whether the DICOMweb plug-in is loaded.
    settings
        Further keys of its configuration.
    """

    ae_title: str = "ORTHANC"
    modalities: Sequence[Modality] = ()
    dicomweb: bool = False
    settings: Mapping[str, object] = field(default_factory=dict)
    port: int = 0
    http_port: int = 0


def is_installed(*programs: str) -> bool:
    """Tell whether all the programs are on PATH."""
    return all(shutil.which(program) for program in programs)


@contextmanager
def orthanc(folder: Path, options: OrthancOptions | None = None) -> Iterator[Orthanc]:
    """Run Debian's Orthanc; stopping and starting it again on a folder keeps data."""
    options = options or OrthancOptions()
    port = options.port or free_port()
    http_port = options.http_port or free_port()
    folder.mkdir(parents=True, exist_ok=True)
    config = folder / "orthanc.json"
    config.write_text(json.dumps(_configuration(folder, options, port, http_port)))
    with _running([ORTHANC, str(config)], folder / "orthanc.log") as process:
        peer = Orthanc(folder, options.ae_title, port, http_port, process.pid)
        _wait_until(lambda: _answers(peer), process, folder / "orthanc.log")
        yield peer


@contextmanager
def storescp(
    folder: Path, *options: str, ae_title: str = "STORESCP", port: int = 0
) -> Iterator[StoreSCP]:
    """Run DCMTK's storescp, which answers Success without fsync."""
    received = folder / "received"
    received.mkdir(parents=True, exist_ok=True)
    port = port or free_port()
    command = ["storescp", "-aet", ae_title, "-od", str(received), *options, str(port)]
    log = folder / "storescp.log"
    with _running(command, log) as process:
        _wait_until(lambda: _listens(port), process, log)
        yield StoreSCP(received, ae_title, port, process.pid)


def _configuration(
    folder: Path, options: OrthancOptions, port: int, http_port: int
) -> dict[str, object]:
    plugins = [str(ORTHANC_PLUGINS / DICOMWEB_PLUGIN)] if options.dicomweb else []
    return {
        "Name": "peer",
        "StorageDirectory": str(folder / "storage"),
        "IndexDirectory": str(folder / "storage"),
        "DicomAet": options.ae_title,
        "DicomPort": port,
        "DicomCheckCalledAet": True,
        "DicomAlwaysAllowEcho": True,
        "DicomAlwaysAllowStore": True,
        "DicomModalities": {
            modality.ae_title: [modality.ae_title, modality.host, modality.port]
            for modality in options.modalities
        },
        "HttpPort": http_port,
        "RemoteAccessAllowed": False,
        "AuthenticationEnabled": False,
        "OverwriteInstances": True,
        "ConcurrentJobs": 2,
        "DicomScuTimeout": int(PATIENCE_S),
        "DicomScpTimeout": int(PATIENCE_S),
        "Plugins": plugins,
        "DicomWeb": {"Enable": True, "Root": "/dicom-web/"},
        **options.settings,
    }


@contextmanager
def _running(command: list[str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("ab") as output:
        process = subprocess.Popen(
            command,
            stdout=output,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            # DCMTK's network code, Orthanc's too, then answers without delay.
            env={**os.environ, "TCP_NODELAY": "1"},
        )
    try:
        yield process
    finally:
        # Orthanc takes seconds to end by itself; what it wrote is in its files.
        process.kill()
        process.wait()


def _wait_until(
    is_ready: Callable[[], bool], process: subprocess.Popen[bytes], log: Path
) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not is_ready():
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"a peer did not start:\n{log.read_text()[-2000:]}")
        _NEVER.wait(0.05)


def _answers(peer: Orthanc) -> bool:
    try:
        peer.get("/system")
    except (OSError, urllib.error.URLError):
        return False
    return _listens(peer.port)


def _listens(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
    except OSError:
        return False
