"""``crossvalidate`` and ``compare``: several training runs at once."""

from pathlib import Path

import click

from dicom_node.cli.learning.training import extra, read_frame
from dicom_node.cli.terminal.options import (
    FolderPath,
    ModelPath,
    flip_option,
    output_option,
    remember_option,
    replicates_option,
)

Part = int | tuple[int, ...] | str


class _PartAndModel(click.ParamType[tuple[Part, Path]]):
    """What was held out, and the model that never learned from it."""

    name = "FOLD=PATH"

    def convert(
        self,
        value: str | tuple[Part, Path],
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> tuple[Part, Path]:
        """Turn "0=runs/fold0/last.pt" into a number and a path that exists."""
        if isinstance(value, tuple):
            return value
        part, _, path = value.partition("=")
        if not part or not path:
            self.fail(f"{value!r} is not FOLD=PATH", param, ctx)
        return _part(part), ModelPath().convert(path, param, ctx)


def _part(text: str) -> Part:
    """Read "0", "0,10" or the name of a source."""
    numbers = text.split(",")
    if not all(number.isdecimal() for number in numbers):
        return text
    folds = tuple(map(int, numbers))
    return folds[0] if len(folds) == 1 else folds


@click.command()
@click.option(
    "--model",
    "models",
    type=_PartAndModel(),
    multiple=True,
    required=True,
    help="Held-out fold, and the model folder or checkpoint that never learned from"
    " it; a fold named again adds a model that answers with the first as one. 0,10:"
    " two folds that were held out together. A source by its name, for networks that"
    " were trained without one source each.",
)
@click.option(
    "--data",
    type=FolderPath,
    required=True,
    multiple=True,
    help="Annotated films, COCO or RSNA layout; given several times: all of them.",
)
@output_option
@flip_option
@click.option(
    "--fix",
    type=FolderPath,
    help="Model folder whose manifest gets the thresholds fixed on all folds.",
)
@remember_option
@replicates_option
def crossvalidate(  # noqa: PLR0913  the options, one for one
    *,
    models: tuple[tuple[Part, Path], ...],
    data: tuple[Path, ...],
    output: Path,
    flip: bool,
    fix: Path | None,
    remember: Path | None,
    replicates: int,
) -> None:
    """Measure one model per held-out fold, and print one report.

    Each fold, or source, is judged with thresholds that were fixed on the others.
    """
    by_part: dict[Part, list[Path]] = {}
    for part, path in models:
        by_part.setdefault(part, []).append(path)
    with extra():
        from inference.training.commands.crossvalidate import crossvalidate as run  # noqa: PLC0415  the extra

        run(
            by_part,
            data,
            output,
            flip=flip,
            fix=fix,
            remember=remember,
            read_frame=read_frame,
            replicates=replicates,
        )
    click.echo((output / "report.md").read_text(encoding="utf-8"))


@click.command()
@click.argument("runs", nargs=-1, required=True, type=FolderPath, metavar="RUNS…")
def compare(runs: tuple[Path, ...]) -> None:
    """Tabulate the last validation of training runs, and how RUNS differ.

    The first is what the others are compared with.
    """
    with extra():
        from inference.training.commands.compare import compare as run  # noqa: PLC0415  the extra

        click.echo(run(runs), nl=False)
