"""End to end: seconds from C-STORE to the last result at the PACS; the model's part.

A real node (``cxr-node serve``, default model) runs in a process of its own beside a
receiving PACS. Films are sent one at a time, so that nothing waits for anything else;
the model alone, on the same film in the same run, is the limit to be compared with.
``--soak N`` also sends N films as fast as they go and watches resident memory.
"""

# ruff: noqa: S603, T201  it starts programs and prints a table.

import argparse
import json
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydicom.uid import generate_uid
from tqdm import tqdm

from dicom_node.cli.demonstration import ReceivingPACS
from dicom_node.dataset import frames
from dicom_node.dimse.scu import storage
from dicom_node.dimse.scu.association import RemoteAE
from dicom_node.node.settings.load import Settings
from dicom_node.node.wiring.model import make_runner
from dicom_node.node.wiring.remotes import timeouts
from dicom_node.phantom.dataset import synthetic_dataset
from inference.preprocess import preprocess
from tests.peers.ports import free_port

SIDES_PX = {2: 1024, 18: 3000}
"""Size of a film in megabytes -> rows and columns of 16-bit pixels."""
MODEL_RUNS = 10
PATIENCE_S = 120.0
LOOK_EVERY_S = 0.01
MEGABYTE = 1_000_000
CONFIG = """
[node]
data_dir = {data_dir}
minimum_free_bytes = 0
log_level = "WARNING"
[dimse]
port = {dimse_port}
accept_unknown_peers = true
[http]
port = {http_port}
[[destinations]]
name = "pacs"
ae_title = "DEMO_PACS"
host = "127.0.0.1"
port = {pacs_port}
"""


@dataclass(frozen=True, slots=True)
class Running:
    """A node to measure."""

    dimse_port: int
    http_port: int
    pid: int

    def get(self, path: str) -> Any:
        """GET JSON."""
        url = f"http://127.0.0.1:{self.http_port}{path}"
        with urllib.request.urlopen(url, timeout=30) as answer:
            return json.load(answer)

    def send(self, *films: Path) -> None:
        """C-STORE films, all of which must be stored."""
        remote = RemoteAE("CXR_NODE", "127.0.0.1", self.dimse_port)
        patient = timeouts(Settings.load(None))
        for answer in storage.send(
            films, remote, calling_ae="BENCHMARK", timeouts=patient
        ):
            if answer.status != 0:
                raise RuntimeError(f"a film was not stored: {answer}")

    def job_of(self, sop_instance_uid: str) -> dict[str, Any]:
        """Wait until a film's job has ended."""
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            items = self.get(f"/api/v1/jobs?sop_instance_uid={sop_instance_uid}")
            for job in items["items"]:
                if job["state"] in {"COMPLETED", "CANCELED"}:
                    return dict(job)
            time.sleep(LOOK_EVERY_S)
        raise RuntimeError("a job did not end")

    def resident_bytes(self, key: str = "VmRSS") -> int:
        """Resident memory of the node's process; ``VmHWM``: its highest."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        line = next(one for one in status.splitlines() if one.startswith(key))
        return int(line.split()[1]) * 1024


@contextmanager
def node(folder: Path, pacs_port: int) -> Iterator[Running]:
    """Run ``cxr-node serve`` for the length of a block."""
    ports = free_port(), free_port()
    config = folder / "node.toml"
    config.write_text(
        CONFIG.format(
            data_dir=json.dumps(str(folder / "data")),
            dimse_port=ports[0],
            http_port=ports[1],
            pacs_port=pacs_port,
        )
    )
    command = [sys.executable, "-m", "dicom_node", "serve", "--config", str(config)]
    with subprocess.Popen(command) as process:
        running = Running(*ports, process.pid)
        try:
            _wait_until_ready(running, process)
            yield running
        finally:
            process.send_signal(signal.SIGTERM)


def _wait_until_ready(running: Running, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while process.poll() is None and time.monotonic() < deadline:
        try:
            running.get("/health/ready")
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise RuntimeError("the node did not start")


def films(folder: Path, side_px: int, count: int) -> Iterator[tuple[str, Path]]:
    """Write one drawn film under many UIDs, each when it is asked for."""
    dataset = synthetic_dataset("CR", rows=side_px, columns=side_px)
    path = folder / "film.dcm"
    for _ in range(count):
        dataset.SOPInstanceUID = generate_uid()
        dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
        dataset.save_as(path, enforce_file_format=True)
        yield str(dataset.SOPInstanceUID), path


def model_alone_s(folder: Path, side_px: int) -> float:
    """Median seconds of the network on such a film, nothing else."""
    _, path = next(films(folder, side_px, 1))
    with closing(make_runner(Settings.load(None))) as runner:
        runner.load()
        _, frame = frames.read(path)
        tensor, _ = preprocess(frame, runner.manifest.input_size_px)
        times = []
        for _ in range(MODEL_RUNS):
            start = time.perf_counter()
            runner.run(tensor[None])
            times.append(time.perf_counter() - start)
    return statistics.median(times)


def one_at_a_time(running: Running, folder: Path, side_px: int, count: int) -> None:
    """Print a row: whole way, of that analysis, and the model's part."""
    whole, analysis = [], []
    for uid, path in films(folder, side_px, count + 1):
        start = time.perf_counter()
        running.send(path)
        job = running.job_of(uid)
        whole.append(time.perf_counter() - start)
        analysis.append(float(job["timings"]["analysis_s"]))
    # the first film pays for what is loaded on first use
    total, analysed = statistics.median(whole[1:]), statistics.median(analysis[1:])
    model = model_alone_s(folder, side_px)
    print(
        f"{side_px:5} px  {total:6.2f} s  analysis and encoding {analysed:5.2f} s"
        f"  model {model:5.2f} s  share of the model {model / total:4.0%}"
        f"  slowest {max(whole[1:]):5.2f} s"
    )


def soak(running: Running, folder: Path, count: int) -> None:
    """Send films as fast as they go; print rate and resident memory on the way."""
    start, memory, last = time.perf_counter(), [], ""
    every = max(1, count // 10)
    numbered = enumerate(films(folder, SIDES_PX[2], count), 1)
    for number, (uid, path) in tqdm(numbered, total=count, unit="film", disable=None):
        running.send(path)
        last = uid
        if number % every == 0:
            running.job_of(last)
            memory.append(running.resident_bytes() / MEGABYTE)
    running.job_of(last)
    rate = count / (time.perf_counter() - start)
    print(f"{count} films: {rate:.2f} films/s; resident MB at every {every}:")
    print("  " + "  ".join(f"{one:.0f}" for one in memory))
    print(f"  highest {running.resident_bytes('VmHWM') / MEGABYTE:.0f} MB")


def main(arguments: Sequence[str]) -> int:
    """Run the benchmark and print its table."""
    parser = argparse.ArgumentParser(prog="end_to_end", description=__doc__)
    parser.add_argument("--films", type=int, default=8, help="of each size")
    parser.add_argument("--soak", type=int, default=0, help="films to send in a row")
    options = parser.parse_args(arguments)
    print("\nEnd to end, one film at a time: C-STORE to the last result at the PACS")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        pacs = ReceivingPACS(folder / "pacs")
        with pacs.listening() as port, node(folder, port) as running:
            for side_px in SIDES_PX.values():
                one_at_a_time(running, folder, side_px, options.films)
            if options.soak:
                soak(running, folder, options.soak)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
