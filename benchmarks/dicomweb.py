"""STOW-RS and WADO-RS: films per second, beside our own C-STORE and beside Orthanc.

One client each. STOW-RS sends ten films of 2 MB in a request, by a plain socket;
C-STORE is dcmsend's, as in the benchmark of ingest. WADO-RS fetches a study of films
as they are stored. Node and Orthanc run in processes of their own, one after the other.
"""

# ruff: noqa: S603, T201  it starts programs and prints a table.

import argparse
import http.client
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from benchmarks import ingest
from dicom_node.node.node import Node
from dicom_node.node.roles import Role
from dicom_node.node.settings.load import Settings
from tests.peers import toolkits as peers
from tests.peers.ports import free_port

FILMS, FILMS_OF_REQUEST = 100, 10
BOUNDARY = "benchmark-of-dicomweb"
PATH = "/dicom-web/studies"
_CHUNK_BYTES = 1 << 20


@contextmanager
def node(folder: Path) -> Iterator[tuple[int, int]]:
    """Run the receiving halves of a node; its DIMSE and HTTP ports."""
    ports = free_port(), free_port()
    command = [sys.executable, "-m", "benchmarks.dicomweb", "--serve"]
    with subprocess.Popen(
        [*command, str(folder), *map(str, ports)],
        stdout=subprocess.PIPE,
        stdin=subprocess.PIPE,
    ) as process:
        try:
            if process.stdout is None or not process.stdout.readline():
                raise RuntimeError("the node did not start")
            yield ports
        finally:
            process.kill()


def serve(folder: Path, dimse_port: int, http_port: int) -> None:
    """Receive until standard input ends."""
    settings = Settings.load(
        None,
        {
            "node": {"data_dir": folder},
            "dimse": {"port": dimse_port, "accept_unknown_peers": True},
            "http": {"port": http_port},
        },
    )
    with Node(settings, Role.WEB), Node(settings, Role.RECEIVE):
        print("ready", flush=True)
        sys.stdin.read()


def stow(port: int, files: Sequence[Path]) -> float:
    """Store films, ten in a request; films per second."""
    start = time.perf_counter()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=600)
    for first in range(0, len(files), FILMS_OF_REQUEST):
        _post(connection, files[first : first + FILMS_OF_REQUEST])
    connection.close()
    return len(files) / (time.perf_counter() - start)


def _post(connection: http.client.HTTPConnection, files: Sequence[Path]) -> None:
    head = f"--{BOUNDARY}\r\nContent-Type: application/dicom\r\n\r\n".encode()
    end = f"--{BOUNDARY}--\r\n".encode()
    sizes = [len(head) + file.stat().st_size + 2 for file in files]
    connection.putrequest("POST", PATH)
    kind = f'multipart/related; type="application/dicom"; boundary={BOUNDARY}'
    connection.putheader("Content-Type", kind)
    connection.putheader("Accept", "application/dicom+json")
    connection.putheader("Content-Length", str(sum(sizes) + len(end)))
    connection.endheaders()
    for file in files:
        connection.send(head)
        connection.send(file.read_bytes())
        connection.send(b"\r\n")
    connection.send(end)
    answer = connection.getresponse()
    answer.read()
    if answer.status != 200:  # noqa: PLR2004  OK
        raise RuntimeError(f"STOW-RS was answered with {answer.status}")


def wado(port: int, study: str, films: int) -> float:
    """Fetch a study as it is stored; films per second."""
    kind = 'multipart/related; type="application/dicom"; transfer-syntax=*'
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}{PATH}/{study}", headers={"Accept": kind}
    )
    start, size = time.perf_counter(), 0
    with urllib.request.urlopen(request, timeout=600) as answer:  # noqa: S310  loopback
        while piece := answer.read(_CHUNK_BYTES):
            size += len(piece)
    if size < films * ingest.MEGABYTE:
        raise RuntimeError("films are missing")
    return films / (time.perf_counter() - start)


def main(arguments: Sequence[str]) -> int:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(prog="benchmarks.dicomweb", description=__doc__)
    parser.add_argument("--serve", nargs=3, metavar=("FOLDER", "DIMSE", "HTTP"))
    parser.add_argument("--films", type=int, default=FILMS)
    options = parser.parse_args(arguments)
    if options.serve:
        folder, *ports = options.serve
        serve(Path(folder), *map(int, ports))
        return 0
    with tempfile.TemporaryDirectory() as name:
        _run(Path(name), options.films)
    return 0


def _run(root: Path, count: int) -> None:
    load = ingest.Load(2, count, 1)
    by_dimse = ingest.make_images(root / "dimse", load)
    (by_http,) = ingest.make_images(root / "http", load)
    (warm_up,) = ingest.make_images(root / "warm-up", ingest.Load(2, 10, 1))
    files = sorted(by_http.iterdir())
    study = str(ingest.synthetic_dataset("CR", rows=256, columns=256).StudyInstanceUID)
    rates: dict[str, dict[str, float]] = {"node": {}, "orthanc": {}}
    (root / "node").mkdir()
    with node(root / "node") as (dimse_port, http_port):
        stow(http_port, sorted(warm_up.iterdir()))
        rates["node"]["STOW-RS"] = stow(http_port, files)
        wado(http_port, study, count)
        rates["node"]["WADO-RS"] = wado(http_port, study, count + 10)
        if shutil.which("dcmsend"):
            rate = ingest.measure(by_dimse, ("CXR_NODE", dimse_port))
            rates["node"]["C-STORE"] = rate.images_per_s
    if peers.is_installed(peers.ORTHANC):
        options = peers.OrthancOptions(dicomweb=True)
        with peers.orthanc(root / "orthanc", options) as peer:
            stow(peer.http_port, sorted(warm_up.iterdir()))
            rates["orthanc"]["STOW-RS"] = stow(peer.http_port, files)
            wado(peer.http_port, study, count)
            rates["orthanc"]["WADO-RS"] = wado(peer.http_port, study, count + 10)
    _print(rates)


def _print(rates: dict[str, dict[str, float]]) -> None:
    print(f"{'films/s':>10} {'node':>8} {'Orthanc':>8} {'ratio':>6}")
    for name, rate in rates["node"].items():
        other = rates["orthanc"].get(name)
        beside = f"{other:>8.1f} {rate / other:>6.2f}" if other else ""
        print(f"{name:>10} {rate:>8.1f} {beside}")
    if "C-STORE" in rates["node"]:
        ratio = rates["node"]["STOW-RS"] / rates["node"]["C-STORE"]
        print(f"STOW-RS / C-STORE: {ratio:.2f}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
