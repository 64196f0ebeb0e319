"""Durable ingest: images per second into the node, beside storescp and Orthanc.

The client is DCMTK's dcmsend. The node answers Success only after fsync and commit;
storescp writes without fsync, Orthanc with its defaults. All run in processes of
their own, one after the other, on the same files.

dcmsend and the peers run with TCP_NODELAY set. As they ship, their last bytes wait for
Nagle's algorithm, 40 ms an image: that would be no rate to be compared with.
"""

# ruff: noqa: S603, T201  it starts programs and prints a table.

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from pydicom.uid import generate_uid

from dicom_node.dimse.acceptor.application_entity import ApplicationEntity
from dicom_node.dimse.services.storage import StorageSCP
from dicom_node.dimse.services.verification import VerificationSCP
from dicom_node.node.settings.load import Settings
from dicom_node.node.wiring.dimse import dimse_config
from dicom_node.node.wiring.reception import eligibility_rules
from dicom_node.phantom.dataset import synthetic_dataset
from dicom_node.worklist.reception import Reception
from storage.database import Database
from storage.objects.files import FileObjectStore
from tests.peers import toolkits as peers
from tests.peers.ports import free_port

MEGABYTE = 1_000_000
SIDES_PX = {2: (1024, 1024), 18: (3000, 3000)}
"""Size of an image in megabytes -> rows and columns of 16-bit pixels."""

Address = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Load:
    """One measurement: so many images of one size over so many associations."""

    megabytes: int
    images: int
    associations: int


@dataclass(frozen=True, slots=True)
class Rate:
    """What came out of one measurement; times in seconds."""

    images_per_s: float
    p50_s: float
    p99_s: float


WARM_UP_IMAGES = 10
LOADS = (Load(2, 160, 1), Load(2, 160, 4), Load(18, 20, 1), Load(18, 20, 4))


@contextmanager
def node(folder: Path) -> Iterator[Address]:
    """Run the receiving half of the node in a process of its own."""
    port = free_port()
    command = [sys.executable, "-m", "benchmarks.ingest", "--serve"]
    with subprocess.Popen(
        [*command, str(folder), str(port)],
        stdout=subprocess.PIPE,
        stdin=subprocess.PIPE,
    ) as process:
        try:
            if process.stdout is None or not process.stdout.readline():
                raise RuntimeError("the node did not start")
            yield "CXR_NODE", port
        finally:
            process.kill()


@contextmanager
def storescp(folder: Path) -> Iterator[Address]:
    """Run storescp, one process for each association."""
    with peers.storescp(folder, "--fork", "+xa", "+B") as peer:
        yield peer.ae_title, peer.port


@contextmanager
def orthanc(folder: Path) -> Iterator[Address]:
    """Run Orthanc."""
    with peers.orthanc(folder) as peer:
        yield peer.ae_title, peer.port


SERVERS: dict[str, Callable[[Path], AbstractContextManager[Address]]] = {
    "node": node,
    "storescp": storescp,
    "orthanc": orthanc,
}


def serve(folder: Path, port: int) -> None:
    """Receive until standard input ends."""
    choices = {"port": port, "accept_unknown_peers": True}
    settings = Settings.load(None, {"dimse": choices})
    database = Database(f"sqlite:///{folder / 'node.db'}")
    database.migrate()
    reception = Reception(
        FileObjectStore(folder / "objects"),
        database,
        eligibility_rules(settings),
        lambda: datetime.now(UTC),
        lambda: f"2.25.{uuid.uuid4().int}",
    )
    limit = settings.dimse.maximum_object_bytes
    services = [VerificationSCP(), StorageSCP(reception, limit)]
    ApplicationEntity(dimse_config(settings), services).start()
    print("ready", flush=True)
    sys.stdin.read()


def make_images(folder: Path, load: Load) -> list[Path]:
    """Write images with different UIDs and noise, a folder for each association."""
    rows, columns = SIDES_PX[load.megabytes]
    dataset = synthetic_dataset("CR", rows=256, columns=256)
    dataset.Rows, dataset.Columns = rows, columns
    noise = np.random.default_rng(0).integers(0, 4096, rows * columns, np.uint16)
    dataset.PixelData = noise.tobytes()
    folders = [folder / str(number) for number in range(load.associations)]
    for number in range(load.images):
        dataset.SOPInstanceUID = generate_uid(None)
        dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
        place = folders[number % load.associations]
        place.mkdir(parents=True, exist_ok=True)
        dataset.save_as(place / f"{number}.dcm", enforce_file_format=True)
    return folders


def measure(folders: Sequence[Path], address: Address) -> Rate:
    """Send every folder over an association of its own, all at once."""
    latencies: list[float] = []
    senders = [
        threading.Thread(target=_send, args=(folder, address, latencies))
        for folder in folders
    ]
    images = sum(len(list(folder.iterdir())) for folder in folders)
    start = time.perf_counter()
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()
    elapsed = time.perf_counter() - start
    if len(latencies) != images:
        raise RuntimeError(f"{images - len(latencies)} of {images} were not stored")
    return Rate(
        images / elapsed,
        statistics.median(latencies),
        sorted(latencies)[max(0, int(len(latencies) * 0.99) - 1)],
    )


def _send(folder: Path, address: Address, latencies: list[float]) -> None:
    ae_title, port = address
    command = ["dcmsend", "-v", "-aec", ae_title, "+sd", "127.0.0.1", str(port)]
    with subprocess.Popen(
        [*command, str(folder)],
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        env={**os.environ, "TCP_NODELAY": "1"},
    ) as process:
        asked = 0.0
        for line in process.stderr or ():
            if b"Sending C-STORE Request" in line:
                asked = time.perf_counter()
            elif b"Received C-STORE Response (Success)" in line:
                latencies.append(time.perf_counter() - asked)


def main(arguments: Sequence[str]) -> int:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(prog="benchmarks.ingest", description=__doc__)
    parser.add_argument("--serve", nargs=2, metavar=("FOLDER", "PORT"))
    parser.add_argument("--only", nargs="+", choices=SERVERS, default=list(SERVERS))
    parser.add_argument("--scale", type=float, default=1.0, help="more or fewer images")
    options = parser.parse_args(arguments)
    if options.serve:
        serve(Path(options.serve[0]), int(options.serve[1]))
        return 0
    missing = [name for name in ("dcmsend", "storescp") if not shutil.which(name)]
    if missing:
        print(f"ingest: skipped, {' and '.join(missing)} not installed")
        return 0
    servers = [name for name in options.only if name != "orthanc" or _has_orthanc()]
    print(
        f"{'images':>8} {'assoc.':>6} {'peer':>9} {'images/s':>9} {'MB/s':>6}", end=""
    )
    print(f" {'p50 ms':>7} {'p99 ms':>7} {'node/peer':>9}")
    for load in LOADS:
        _run(load, servers, options.scale)
    return 0


def _has_orthanc() -> bool:
    return peers.is_installed(peers.ORTHANC)


def _run(load: Load, servers: Sequence[str], scale: float) -> None:
    count = max(load.associations, int(load.images * scale))
    load = Load(load.megabytes, count, load.associations)
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        folders = make_images(root / "images", load)
        warm_up = make_images(root / "warm-up", Load(2, WARM_UP_IMAGES, 1))
        rates: dict[str, Rate] = {}
        for server in servers:
            (root / server).mkdir()
            with SERVERS[server](root / server) as address:
                measure(warm_up, address)
                _touch_memory(root, load)
                rates[server] = measure(folders, address)
            shutil.rmtree(root / server)
            _print(load, server, rates)


def _touch_memory(folder: Path, load: Load) -> None:
    """Use and free as much page cache as the images will take.

    On a virtual machine the first use of memory costs a fault in the host; whoever
    is measured first would pay it for all.
    """
    file = folder / "touched"
    with file.open("wb") as stream:
        for _ in range(load.images):
            stream.write(bytes(load.megabytes * MEGABYTE))
    file.unlink()


def _print(load: Load, server: str, rates: dict[str, Rate]) -> None:
    rate = rates[server]
    ratio = rates["node"].images_per_s / rate.images_per_s if "node" in rates else 0.0
    print(
        f"{load.megabytes:>5} MB {load.associations:>6} {server:>9}"
        f" {rate.images_per_s:>9.1f} {rate.images_per_s * load.megabytes:>6.0f}"
        f" {rate.p50_s * 1000:>7.1f} {rate.p99_s * 1000:>7.1f} {ratio:>9.2f}",
        flush=True,
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
