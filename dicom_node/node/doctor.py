"""Checks what a deployment needs before a modality finds out.

Each check is a function that returns a sentence, or raises what is wrong; none
changes anything. ``cxr-node doctor`` prints them as a table.
"""

import os
import socket
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from dicom_node.analysis.process import Failed, Source
from dicom_node.dimse.scu import diagnosis, verification
from dicom_node.dimse.scu.association import RemoteAE
from dicom_node.errors import (
    NodeError,
    PeerBusy,
    PeerRefused,
    PeerUnreachable,
    SettingsInvalid,
)
from dicom_node.evidence.kinds import EvidenceKind
from dicom_node.injected import clock
from dicom_node.node.private_files import open_to_others
from dicom_node.node.settings.destinations import (
    DestinationSection,
    DimseDestinationSection,
)
from dicom_node.node.settings.load import Settings
from dicom_node.node.wiring.analysis import make_analyzer
from dicom_node.node.wiring.delivery import make_destination
from dicom_node.node.wiring.dimse import dimse_config
from dicom_node.node.wiring.model import make_runner, model_folder
from dicom_node.node.wiring.reception import make_bond
from dicom_node.node.wiring.remotes import remote_ae, timeouts
from dicom_node.node.wiring.storage import embedded_file, make_database, make_store
from dicom_node.phantom.dataset import synthetic_dataset
from inference.errors import InferenceError
from inference.manifest import read_manifest
from inference.models import verify
from storage.errors import StorageError, StoreMismatch

_GOLDEN_KINDS = (
    EvidenceKind.SEGMENTATION,
    EvidenceKind.LUNG_SEGMENTATION,
    EvidenceKind.MEASUREMENT_REPORT,
)
_ANYWHERE = ("0.0.0.0", "::")  # noqa: S104  compared with, not listened on


class Verdict(StrEnum):
    """How a check ended."""

    GOOD = "ok"
    DOUBTFUL = "warning"
    BAD = "FAILED"


@dataclass(frozen=True, slots=True)
class Checked:
    """One line of the table."""

    name: str
    verdict: Verdict
    text: str


class Doubt(NodeError):
    """Nothing is broken, but somebody should look."""


def examine(settings: Settings) -> Iterator[Checked]:
    """Run every check; what each found, as it ends."""
    for name, check in _checks(settings):
        yield _run(name, check)


def _checks(settings: Settings) -> Iterator[tuple[str, Callable[[], str]]]:
    yield "disk", lambda: _disk(settings)
    yield "database", lambda: _database(settings)
    yield "store", lambda: _store(settings)
    yield "peers", lambda: _peers(settings)
    yield "TLS files", lambda: _tls(settings)
    yield "DIMSE port", lambda: _dimse_port(settings)
    yield "HTTP port", lambda: _http_port(settings)
    if not settings.destinations:
        yield "destinations", _no_destination
    for section in settings.destinations:
        yield f"destination {section.name}", _echo(settings, section)
    yield "model", lambda: _model(settings)
    yield "golden image", lambda: _golden_image(settings)


def _run(name: str, check: Callable[[], str]) -> Checked:
    try:
        return Checked(name, Verdict.GOOD, check())
    except Doubt as doubt:
        return Checked(name, Verdict.DOUBTFUL, str(doubt))
    except (NodeError, InferenceError, StorageError, OSError, ValueError) as error:
        return Checked(name, Verdict.BAD, " ".join(str(error).split()))


def _disk(settings: Settings) -> str:
    folder = settings.node.data_dir
    existing = next(
        path for path in (folder, *folder.absolute().parents) if path.exists()
    )
    with tempfile.TemporaryFile(dir=existing) as file:
        file.write(b"\0" * 4096)
        file.flush()
        os.fsync(file.fileno())
    status = os.statvfs(existing)
    free = status.f_bavail * status.f_frsize
    if free < settings.node.minimum_free_bytes:
        raise SettingsInvalid(
            f"{folder}: {free / 1e9:.1f} GB free is below node.minimum_free_bytes"
        )
    if open_to_others(folder):
        raise Doubt(f"{folder}: others may read it; the node closes it when it starts")
    return f"{folder} can be written, {free / 1e9:.1f} GB free"


def _database(settings: Settings) -> str:
    file = embedded_file(settings)
    if file is not None and not file.exists():
        return "SQLite; made at the first start"
    with closing(make_database(settings)) as database:
        database.check_schema()
        return f"{database.dialect}, schema is current"


def _store(settings: Settings) -> str:
    """Look whether store and database belong together; nothing is made."""
    folder = settings.node.data_dir
    if not (folder / "objects").is_dir():
        return "empty; made at the first start"
    store = make_store(settings)
    aside = len(list(store.aside()))
    said = f", {aside} objects set aside" if aside else ""
    file = embedded_file(settings)
    if file is not None and not file.exists():
        if next(iter(store.keys()), None) is not None:
            raise StoreMismatch(
                f"{folder} holds objects and there is no database: put it back, or run"
                " cxr-node adopt"
            )
        return f"empty{said}"
    with closing(make_database(settings)) as database:
        if make_bond(settings, store, database).check():
            raise Doubt(
                f"the database is an older copy; what it lacks of {folder} is taken in"
                f" when the node starts{said}"
            )
    return f"{folder} belongs to the database{said}"


def _peers(settings: Settings) -> str:
    if settings.dimse.accept_unknown_peers:
        return "any calling AE title may send"
    if not settings.dimse.peers:
        raise Doubt("nobody may send: dimse.peers is empty")
    return ", ".join(peer.ae_title for peer in settings.dimse.peers) + " may send"


def _tls(settings: Settings) -> str:
    dimse_config(settings)
    http = settings.http.tls
    for path in (http.certificate, http.key, http.ca):
        if path is not None and not os.access(path, os.R_OK):
            raise SettingsInvalid(f"http.tls: {path} cannot be read")
    on = [n for n, s in (("dimse", settings.dimse.tls), ("http", http)) if s.on]
    return f"TLS on {' and '.join(on)}" if on else "TLS is off"


def _dimse_port(settings: Settings) -> str:
    section = settings.dimse
    if _is_free(section.host, section.port):
        return f"{section.host}:{section.port} is free"
    host = "127.0.0.1" if section.host in _ANYWHERE else section.host
    here = RemoteAE(settings.node.ae_title, host, section.port)
    try:
        verification.echo(
            here,
            calling_ae=settings.node.ae_title,
            timeouts=timeouts(settings),
        )
    except NodeError as error:
        raise Doubt(
            f"{section.host}:{section.port} is in use: by this node, if it runs"
        ) from error
    return f"{section.host}:{section.port}: the node runs and answers"


def _http_port(settings: Settings) -> str:
    section = settings.http
    if _is_free(section.host, section.port):
        return f"{section.host}:{section.port} is free"
    raise Doubt(f"{section.host}:{section.port} is in use: by this node, if it runs")


def _is_free(host: str, port: int) -> bool:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        socket.create_server((host, port), family=family).close()
    except OSError:
        return False
    return True


def _no_destination() -> str:
    raise Doubt("none: results stay on this node")


def _echo(settings: Settings, section: DestinationSection) -> Callable[[], str]:
    def check() -> str:
        destination = make_destination(settings, section)
        if not isinstance(section, DimseDestinationSection):
            destination.probe()
            return f"{section.url} answers"
        remote = remote_ae(settings, section)
        try:
            destination.probe()
        except (PeerUnreachable, PeerBusy, PeerRefused) as error:
            calling, waits = settings.node.ae_title, timeouts(settings)
            text = diagnosis.explain(error, remote, calling, waits)
            raise NodeError(text) from error
        return f"{remote} answers C-ECHO"

    return check


def _model(settings: Settings) -> str:
    folder = model_folder(settings)
    manifest = read_manifest(folder)
    verify(folder, manifest)
    return (
        f"{manifest.name} {manifest.version}, SHA-256 {manifest.sha256[:12]}, as said"
    )


def _golden_image(settings: Settings) -> str:
    """Send a drawn radiograph down the whole path, encoding included."""
    with (
        closing(make_runner(settings)) as runner,
        tempfile.TemporaryDirectory() as tmp,
    ):
        runner.load()
        path = Path(tmp) / "golden.dcm"
        synthetic_dataset("CR").save_as(path, enforce_file_format=True)
        analyzer = make_analyzer(settings, runner, _GOLDEN_KINDS)
        started = clock()
        (outcome,) = analyzer.analyze([Source(path, "0" * 64, started)])
        took_s = (clock() - started).total_seconds()
        device = runner.describe().devices[0]
    if isinstance(outcome, Failed):
        raise InferenceError(str(outcome.error)) from outcome.error
    severity = outcome.analysis.severity.total
    return f"analysed on {device} in {took_s:.1f} s, severity {severity:.1f} %"
