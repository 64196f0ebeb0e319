"""``analyze``: files in, results beside them, no network and no database."""

import hashlib
import json
import re
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import click
from pydicom import dcmread
from pydicom.errors import InvalidDicomError
from tqdm import tqdm

from dicom_node.analysis.process import Analyzed, Analyzer, Conclusion, Source
from dicom_node.cli.network import dicom_files
from dicom_node.cli.terminal.options import AnyPath, FolderPath, config_option
from dicom_node.dataset.quiet import UNREADABLE
from dicom_node.evidence.kinds import USUAL
from dicom_node.evidence.pictures import overlay
from dicom_node.injected import clock
from dicom_node.node import logs
from dicom_node.node.settings.load import Settings
from dicom_node.node.wiring.analysis import make_analyzer, make_readers
from dicom_node.node.wiring.model import make_runner
from dicom_node.worklist.result import Json, Result, model_name, model_to_json
from dicom_node.worklist.retry import is_unforeseen, reason
from inference.manifest import ModelManifest
from storage.records import Cause, ModelName, Reason

_UID = re.compile(r"[0-9]+(\.[0-9]+)*")
ANALYZED, NOT_ELIGIBLE, FAILED = "analyzed", "not eligible", "failed"
ANY_FAILED, NONE_ELIGIBLE = 1, 3


@click.command()
@click.argument("paths", nargs=-1, required=True, type=AnyPath, metavar="IMAGE…")
@click.option(
    "--output", type=FolderPath, required=True, help="Results go to DIR/<UID>/."
)
@config_option
def analyze(paths: tuple[Path, ...], output: Path, config: Path | None) -> None:
    """Analyse DICOM files, and those in folders; no network.

    Writes SEG, SR, GSPS, overlay.png and result.json for each image. Exits 1 when
    any failed, 3 when none was eligible.
    """
    settings = Settings.load(config)
    logs.configure("ERROR", "text")
    files = list(dicom_files(paths))
    if not files:
        raise click.UsageError("there is no DICOM file in these folders")
    with (
        closing(make_runner(settings)) as runner,
        closing(make_readers(settings)) as readers,
    ):
        readers.warm()
        runner.load()
        kinds = tuple(
            dict.fromkeys(
                (
                    *USUAL,
                    *(kind for one in settings.destinations for kind in one.evidence),
                )
            )
        )
        analyzer = make_analyzer(settings, runner, kinds, readers)
        states = _analyze_all(
            analyzer, files, output, settings.model.batch_size, runner.manifest
        )
    click.echo(", ".join(f"{states.count(s)} {s}" for s in sorted(set(states))))
    if FAILED in states:
        raise SystemExit(ANY_FAILED)
    if ANALYZED not in states:
        raise SystemExit(NONE_ELIGIBLE)


def _analyze_all(
    analyzer: Analyzer,
    files: Sequence[Path],
    output: Path,
    batch_size: int,
    manifest: ModelManifest,
) -> list[str]:
    states = []
    seen: Counter[str] = Counter()
    # No bar where nobody looks.
    with tqdm(total=len(files), unit="image", disable=None) as progress:
        for batch in _batches(files, batch_size):
            sources = [Source(path, _sha256(path), clock()) for path in batch]
            outcomes = analyzer.analyze(sources)
            for path, outcome in zip(batch, outcomes, strict=True):
                described = describe(outcome, manifest)
                write(outcome, described, _folder(output, name_of(path, outcome), seen))
                states.append(described.state)
                progress.update()
                if (why := described.reason) is not None:
                    failed = described.state == FAILED
                    progress.write(
                        f"{path}: {described.state}: {why.code}: {why.text}",
                        file=sys.stderr if failed else sys.stdout,
                    )
    return states


@dataclass(frozen=True, slots=True)
class Described:
    """An outcome in the words of ``result.json``.

    Parameters
    ----------
    state
        ``analyzed``, ``not eligible`` or ``failed``.
    model
        Which model it was given to.
    result
        What was said; there is either this or a reason.
    reason
        Why nothing was said.
    """

    state: str
    model: ModelName
    result: Result | None = None
    reason: Reason | None = None

    def to_json(self) -> Json:
        """Write it."""
        why = self.reason
        return {
            "state": self.state,
            "reason": {"code": why.code, "text": why.text} if why else None,
            **(self.result.film_to_json() if self.result else self._nothing()),
        }

    def _nothing(self) -> Json:
        return {
            "severity": None,
            "findings": [],
            "model": model_to_json(self.model),
        }


def describe(outcome: Conclusion, manifest: ModelManifest) -> Described:
    """Put an outcome into the words of ``result.json``."""
    model = model_name(manifest)
    if isinstance(outcome, Analyzed):
        said = Result.of(outcome.analysis, model, evidence_failed=outcome.failed)
        view = outcome.subject.projection.words
        return Described(ANALYZED, model, replace(said, view=view))
    why = reason(outcome.error)
    state = NOT_ELIGIBLE if why.cause is Cause.IMAGE else FAILED
    return Described(state, model, reason=why)


def write(outcome: Conclusion, described: Described, folder: Path) -> None:
    """Write an image's results into its folder."""
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(described.to_json(), indent=2, ensure_ascii=False)
    (folder / "result.json").write_text(text + "\n", encoding="utf-8")
    if isinstance(outcome, Analyzed):
        for item in outcome.evidence:
            (folder / f"{item.kind}.dcm").write_bytes(item.content)
        picture = overlay.draw(outcome.frame, outcome.analysis, subject=outcome.subject)
        picture.save(folder / "overlay.png")
    elif is_unforeseen(outcome.error):
        kind = type(outcome.error).__name__
        click.echo(f"cxr-node: internal error: {kind} ({folder.name})", err=True)


def name_of(path: Path, outcome: Conclusion) -> str:
    """Name the folder: the SOP Instance UID, or the file where there is none."""
    if isinstance(outcome, Analyzed):
        return str(outcome.dataset.SOPInstanceUID)
    try:
        header = dcmread(path, stop_before_pixels=True, specific_tags=[0x00080018])
        uid = str(header.get("SOPInstanceUID", ""))
    except (InvalidDicomError, OSError, *UNREADABLE):
        uid = ""
    return uid if _UID.fullmatch(uid) else path.name


def _folder(output: Path, name: str, seen: Counter[str]) -> Path:
    """Another file under the same UID gets a folder of its own."""
    seen[name] += 1
    return output / (name if seen[name] == 1 else f"{name}-{seen[name]}")


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _batches(files: Sequence[Path], size: int) -> Iterator[list[Path]]:
    iterator = iter(files)
    while batch := list(islice(iterator, size)):
        yield batch
