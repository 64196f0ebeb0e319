"""Database, store and model: whether they are what the node needs."""

import tempfile
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from dicom_node.analysis.process import Failed, Source
from dicom_node.evidence.kinds import EvidenceKind
from dicom_node.injected import clock
from dicom_node.node.clocks import JUMP_S
from dicom_node.node.doctor.verdicts import Doubt, Wrong
from dicom_node.node.health import database_trouble
from dicom_node.node.settings.load import Settings
from dicom_node.node.wiring.analysis import make_analyzer
from dicom_node.node.wiring.model import make_runner, model_folder
from dicom_node.node.wiring.reception import make_bond
from dicom_node.node.wiring.storage import (
    embedded_file,
    make_bucket,
    make_database,
    make_store,
)
from dicom_node.phantom.dataset import synthetic_dataset
from inference.errors import InferenceError
from inference.manifest import read_manifest
from inference.models import verify
from storage.errors import StoreMismatch

if TYPE_CHECKING:
    from storage.objects.bucket import Bucket

_TRIED = "doctor"
"""What is put into a bucket and taken out of it again, to see that both may be done."""
_GOLDEN_KINDS = (
    EvidenceKind.SEGMENTATION,
    EvidenceKind.LUNG_SEGMENTATION,
    EvidenceKind.MEASUREMENT_REPORT,
)


def database(settings: Settings) -> str:
    """Look whether the database answers, with the schema and encoding needed."""
    file = embedded_file(settings)
    if file is not None and not file.exists():
        return "SQLite; made at the first start"
    with closing(make_database(settings)) as found:
        found.check_schema()
        if trouble := database_trouble(found):
            raise Wrong(trouble)
        return f"{found.dialect}, schema is current"


def store(settings: Settings) -> str:
    """Look whether store and database belong together; nothing is made."""
    folder: Path | str = settings.node.data_dir
    is_bucket = settings.objects.kind == "s3"
    if is_bucket:
        folder = str(bucket(settings))
    if not (settings.node.data_dir / ("incoming" if is_bucket else "objects")).is_dir():
        return f"{folder} answers" if is_bucket else "empty; made at the first start"
    objects = make_store(settings)
    aside = len(list(objects.aside()))
    said = f", {aside} objects set aside" if aside else ""
    file = embedded_file(settings)
    if file is not None and not file.exists():
        if next(iter(objects.keys()), None) is not None:
            raise StoreMismatch(
                f"{folder} holds objects and there is no database: put it back, or run"
                " cxr-node adopt"
            )
        return f"empty{said}"
    with closing(make_database(settings)) as found:
        if make_bond(settings, objects, found).check():
            raise Doubt(
                f"the database is an older copy; what it lacks of {folder} is taken in"
                f" when the node starts{said}"
            )
    return f"{folder} belongs to the database{said}"


def bucket(settings: Settings) -> "Bucket":
    """Look whether the bucket is there, is ours to use, and takes what it is given.

    Raises
    ------
    StoreUnavailable
        It is not; says why: no bucket, wrong credentials, or a clock that is off.
    """
    found = make_bucket(settings)
    found.check()
    found.replace(_TRIED, b"cxr-node doctor\n")
    now, entry = clock(), found.look(_TRIED)
    found.remove(_TRIED)
    if entry is None:
        raise Wrong(f"{found} does not hold what it has just taken")
    off_s = (now - entry.at).total_seconds()
    if abs(off_s) > JUMP_S:
        raise Doubt(
            f"{found}: this machine's clock is {abs(off_s):.0f} s"
            f" {'ahead of' if off_s > 0 else 'behind'} the object store's: set both by"
            " NTP"
        )
    return found


def model(settings: Settings) -> str:
    """Compare the model's file, or the engine's model, with what its manifest says."""
    folder = model_folder(settings)
    manifest = read_manifest(folder)
    said = f"{manifest.name} {manifest.version}, SHA-256 {manifest.sha256[:12]}"
    if settings.model.runner == "remote":
        with closing(make_runner(settings)) as runner:
            runner.load()
            return f"{said}, served by {runner.describe().engine}"
    verify(folder, manifest)
    return f"{said}, as said"


def golden_image(settings: Settings) -> str:
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
