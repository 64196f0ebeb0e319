"""QIDO-RS: how long a search takes with a thousand images, and with a million.

The node's own routes over HTTP, in this process; each kind of search is asked many
times with other values. Without options SQLite is measured, and PostgreSQL where a
server is to be had.
"""

# ruff: noqa: T201  it prints a table.

import argparse
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2

from benchmarks import _catalogue as catalogue
from dicom_node.node.settings.load import Settings
from dicom_node.node.wiring.reception import make_reception
from dicom_node.node.wiring.web import http_address, http_limits
from dicom_node.web.application import create_app
from dicom_node.web.dicomweb.parts import DicomwebLimits, DicomwebParts
from dicom_node.web.dicomweb.router import dicomweb
from dicom_node.web.server import HttpServer
from storage.database import Database
from storage.objects.files import FileObjectStore
from tests.peers import postgres

ASKED = 60
SIZES = (1_000, 1_000_000)


@dataclass(frozen=True, slots=True)
class Search:
    """A kind of search; its query for the study of a number."""

    name: str
    path: str
    query: Callable[[int], dict[str, str]]


SEARCHES = (
    Search("newest", "/studies", lambda _: {"limit": "50"}),
    Search("patient", "/studies", lambda n: {"PatientID": catalogue.patient_id(n)}),
    Search("accession", "/studies", lambda n: {"AccessionNumber": f"ACC{n:08d}"}),
    Search("name prefix", "/studies", lambda n: {"PatientName": f"costa{n % 500}*"}),
    Search(
        "a day",
        "/studies",
        lambda n: {"StudyDate": catalogue.study_date(n), "limit": "50"},
    ),
    Search(
        "date range",
        "/studies",
        lambda n: {"StudyDate": f"{catalogue.study_date(n)}-", "limit": "50"},
    ),
    Search(
        "UID list",
        "/studies",
        lambda n: {
            "StudyInstanceUID": ",".join(
                catalogue.study_uid(max(n - back, 0)) for back in range(20)
            )
        },
    ),
    Search(
        "modality",
        "/studies",
        lambda _: {"ModalitiesInStudy": "DX", "limit": "50"},
    ),
    Search("series", "/series", lambda n: {"PatientID": catalogue.patient_id(n)}),
    Search(
        "instances",
        "/instances",
        lambda n: {"StudyInstanceUID": catalogue.study_uid(n)},
    ),
    Search(
        "instances by class",
        "/instances",
        lambda _: {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.1", "limit": "50"},
    ),
)


@contextmanager
def serving(url: str, folder: Path, instances: int) -> Iterator[httpx2.Client]:
    """Serve a database with so many images."""
    chosen = Settings.load(None, {"database": {"url": url}, "http": {"port": 0}})
    with closing(Database(url)) as database:
        database.migrate()
        start = time.perf_counter()
        catalogue.fill(database, instances)
        print(f"  {instances} rows in {time.perf_counter() - start:.0f} s", flush=True)
        store = FileObjectStore(folder)
        reception = make_reception(chosen, store, database)
        limits = DicomwebLimits(1000, 1, 1, 1)
        face = dicomweb(DicomwebParts(database, store, reception, limits))
        server = HttpServer(
            create_app([face]), http_address(chosen), http_limits(chosen)
        )
        root = f"http://127.0.0.1:{server.start()}/dicom-web"
        try:
            with closing(httpx2.Client(base_url=root, timeout=120)) as client:
                yield client
        finally:
            server.stop(10)


def measure(client: httpx2.Client, instances: int) -> dict[str, float]:
    """Ask every kind of search; milliseconds that 95 of 100 stay below."""
    found: dict[str, float] = {}
    studies = instances // catalogue.INSTANCES_OF_STUDY
    chance = random.Random(1)  # noqa: S311  the same questions every time
    for search in SEARCHES:
        times: list[float] = []
        for turn in range(ASKED + 5):
            query = search.query(chance.randrange(studies))
            start = time.perf_counter()
            answer = client.get(search.path, params=query)
            if answer.status_code != 200:  # noqa: PLR2004  OK
                raise RuntimeError(f"{search.name}: {answer.status_code}")
            if turn >= 5:  # noqa: PLR2004  the first warm up
                times.append((time.perf_counter() - start) * 1000)
        found[search.name] = statistics.quantiles(times, n=20)[-1]
    return found


def main(arguments: Sequence[str]) -> int:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(prog="benchmarks.search", description=__doc__)
    parser.add_argument("--sizes", nargs="+", type=int, default=list(SIZES))
    parser.add_argument("--only", choices=("sqlite", "postgresql"))
    options = parser.parse_args(arguments)
    for kind in [options.only] if options.only else ["sqlite", "postgresql"]:
        print(f"{kind}:")
        rows: list[dict[str, float]] = []
        for size in options.sizes:
            with (
                tempfile.TemporaryDirectory() as name,
                _database(kind, Path(name)) as url,
            ):
                if url is None:
                    print("  skipped, not installed")
                    break
                with serving(url, Path(name) / "node", size) as client:
                    rows.append(measure(client, size))
        if rows:
            _print(options.sizes, rows)
    return 0


@contextmanager
def _database(kind: str, folder: Path) -> Iterator[str | None]:
    if kind == "sqlite":
        yield f"sqlite:///{folder / 'node.db'}"
        return
    if not postgres.is_installed():
        yield None
        return
    with (
        postgres.own_server() as server,
        postgres.new_database(server.url, "search") as url,
    ):
        yield url


def _print(sizes: Sequence[int], rows: Sequence[dict[str, float]]) -> None:
    print(f"{'p95 ms':>20}", *(f"{size:>10}" for size in sizes), f"{'ratio':>7}")
    for name in rows[0]:
        times = [row[name] for row in rows]
        shown = (f"{one:>10.1f}" for one in times)
        print(f"{name:>20}", *shown, f"{times[-1] / times[0]:>7.2f}", flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
