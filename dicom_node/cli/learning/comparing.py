"""``crossvalidate`` and ``compare``: several training runs at once."""

from pathlib import Path

import click

from dicom_node.cli.learning.training import extra, read_frame
from dicom_node.cli.terminal.options import (
    FolderPath,
    ModelPath,
    data_option,
    flip_option,
    output_option,
    remember_option,
    replicates_option,
)


class _FoldAndModel(click.ParamType[tuple[int, Path]]):
    """A held-out fold and the model that never learned from it."""

    name = "FOLD=PATH"

    def convert(
        self,
        value: str | tuple[int, Path],
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> tuple[int, Path]:
        """Turn "0=runs/fold0/last.pt" into a number and a path that exists."""
        if isinstance(value, tuple):
            return value
        fold, _, path = value.partition("=")
        if not fold.isdecimal() or not path:
            self.fail(f"{value!r} is not FOLD=PATH", param, ctx)
        return int(fold), ModelPath().convert(path, param, ctx)


@click.command()
@click.option(
    "--model",
    "models",
    type=_FoldAndModel(),
    multiple=True,
    required=True,
    help="Held-out fold, and the model folder or checkpoint that never learned from"
    " it; a fold named again adds a model that answers with the first as one.",
)
@data_option
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
    models: tuple[tuple[int, Path], ...],
    data: Path,
    output: Path,
    flip: bool,
    fix: Path | None,
    remember: Path | None,
    replicates: int,
) -> None:
    """Measure one model per held-out fold, and print one report.

    Each fold is judged with thresholds that were fixed on the other folds.
    """
    by_fold: dict[int, list[Path]] = {}
    for fold, path in models:
        by_fold.setdefault(fold, []).append(path)
    with extra():
        from inference.training.commands.crossvalidate import crossvalidate as run  # noqa: PLC0415  the extra

        run(
            by_fold,
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
