"""``eligibility``: a folder of headers against the rules, before going live."""

import json
import os
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
from tqdm import tqdm

from dicom_node.cli.terminal.options import FolderPath, config_option
from dicom_node.dataset import part10_file
from dicom_node.dataset.quiet import UNREADABLE
from dicom_node.errors import DatasetInvalid, NodeError, NotEligible
from dicom_node.node.settings.load import Settings
from dicom_node.node.wiring.reception import eligibility_rules
from dicom_node.worklist.eligibility import EligibilityRules, check

ELIGIBLE = "ELIGIBLE"
NOT_DICOM, UNREADABLE_FILE = "NOT_DICOM", "UNREADABLE"
_EXAMPLES = 3
_MOST_SENTENCES = 5


@dataclass(slots=True)
class Tally:
    """What became of the headers of a folder, by reason."""

    counts: Counter[str] = field(default_factory=Counter)
    sentences: dict[str, Counter[str]] = field(
        default_factory=lambda: defaultdict(Counter)
    )
    examples: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    def add(self, code: str, sentence: str, path: Path) -> None:
        """Count one file."""
        self.counts[code] += 1
        if sentence:
            self.sentences[code][sentence] += 1
        if len(self.examples[code]) < _EXAMPLES:
            self.examples[code].append(str(path))

    def rows(self, *, files: bool) -> list[dict[str, Any]]:
        """Give one row for each reason, the frequent ones first."""
        total = self.counts.total() or 1
        return [
            {
                "code": code,
                "count": count,
                "share": round(count / total, 4),
                "sentences": dict(self.sentences[code].most_common(_MOST_SENTENCES)),
                **({"files": self.examples[code]} if files else {}),
            }
            for code, count in self.counts.most_common()
        ]


@click.command()
@click.argument("folder", type=FolderPath, metavar="FOLDER")
@config_option
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.option("--files", is_flag=True, help="Name a few files for each reason.")
def eligibility(
    folder: Path,
    config: Path | None,
    as_json: bool,  # noqa: FBT001  click passes flags by position or name
    files: bool,  # noqa: FBT001  the same
) -> None:
    """Say what the rules would make of a folder of DICOM headers.

    Pixels are not needed and not read; nothing is stored. Prints no patient data
    beside what the rules quote (body part, modality, image type), and file names only
    with --files.
    """
    rules = eligibility_rules(Settings.load(config))
    if not folder.is_dir():
        raise click.UsageError(f"{folder} is no folder")
    tally = Tally()
    # No bar where nobody looks.
    for path in tqdm(_files(folder), unit="file", disable=None):
        tally.add(*_judged(path, rules), path)
    rows = tally.rows(files=files)
    if as_json:
        click.echo(
            json.dumps({"files": tally.counts.total(), "reasons": rows}, indent=2)
        )
    else:
        for line in _table(rows, tally.counts.total()):
            click.echo(line)


def _files(folder: Path) -> Iterator[Path]:
    """Walk a folder without holding its names: a month has a hundred thousand."""
    for place, folders, names in os.walk(folder):
        folders.sort()
        yield from (Path(place, name) for name in sorted(names))


def _judged(path: Path, rules: EligibilityRules) -> tuple[str, str]:
    """Give the reason's code and sentence."""
    try:
        check(part10_file.read_header_of(path), rules)
    except NotEligible as refusal:
        return refusal.code, refusal.text
    except DatasetInvalid as error:
        return NOT_DICOM, f"{error}"
    except OSError as error:
        return UNREADABLE_FILE, error.strerror or type(error).__name__
    except (NodeError, *UNREADABLE) as error:
        return UNREADABLE_FILE, f"a value is malformed ({type(error).__name__})"
    return ELIGIBLE, ""


def _table(rows: list[dict[str, Any]], total: int) -> Iterator[str]:
    width = max([len(row["code"]) for row in rows] + [8])
    for row in rows:
        yield f"{row['code']:<{width}} {row['count']:>8} {row['share']:>7.1%}"
        for sentence, count in row["sentences"].items():
            yield f"{'':<{width}} {count:>8}         {sentence}"
        for name in row.get("files", ()):
            yield f"{'':<{width}} {'':>8}         {name}"
    yield f"{'in all':<{width}} {total:>8}"
