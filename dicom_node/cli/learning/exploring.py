"""``explore``, ``recipes`` and ``bench-models``: before, and instead of, one run."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from dicom_node.cli.learning.training import (
    PICTURES,
    FoldNumbers,
    extra,
    read_frame,
)
from dicom_node.cli.terminal.options import FolderPath, output_option
from dicom_node.dataset import frames
from dicom_node.dataset.film.age import age_years
from dicom_node.errors import NodeError
from inference.errors import TrainingError
from inference.frame import Frame

RECIPES = Path("conf/recipes")

_folder_option = click.option(
    "--recipes",
    "folder",
    type=FolderPath,
    default=RECIPES,
    show_default=True,
    help="Folder of recipes, NAME.toml each.",
)


def read_film(path: Path) -> tuple[Frame, Mapping[str, Any]]:
    """Read a film and, of a DICOM file, what its header tells of the patient."""
    if path.suffix.lower() in PICTURES:
        return read_frame(path), {}
    try:
        dataset, frame = frames.read(path)
    except (NodeError, OSError) as error:
        raise TrainingError(f"{path}: {error}") from error
    spacing = frame.pixel_spacing_mm or dataset.get("ImagerPixelSpacing") or (None,)
    return frame, {
        "age": age_years(dataset),
        "sex": str(dataset.get("PatientSex", "")),
        "view": str(dataset.get("ViewPosition", "")),
        "pixel_spacing_mm": spacing[0],
    }


@click.command()
@_folder_option
def recipes(folder: Path) -> None:
    """List the recipes: where each comes from, what it gives and what it lacks."""
    with extra():
        from inference.training.commands.recipes import told_recipes  # noqa: PLC0415  the extra

        click.echo(told_recipes(folder))


@click.command()
@click.argument("data", nargs=-1, required=True, type=FolderPath, metavar="DATA…")
@output_option
def explore(data: tuple[Path, ...], output: Path) -> None:
    """Write one page about annotated films, COCO or RSNA layout, and its pictures."""
    with extra():
        from inference.training.commands.explore import explore as run  # noqa: PLC0415  the extra

        click.echo(run(data, output, read_film))


@click.command("bench-models")
@_folder_option
@click.option(
    "--data",
    type=FolderPath,
    required=True,
    multiple=True,
    help="Annotated films, COCO or RSNA layout; given several times: all of them.",
)
@output_option
@click.option(
    "--budget",
    type=click.FloatRange(min=0, min_open=True),
    required=True,
    help="Minutes that each recipe learns; measuring comes on top.",
)
@click.option(
    "--steps",
    type=click.IntRange(min=1),
    help="Steps that each recipe learns, whatever they take: repeats a table exactly.",
)
@click.option(
    "--folds",
    "--fold",
    type=FoldNumbers(),
    default=(0,),
    show_default="0",
    help="Folds that are held out and measured on.",
)
@click.option("--only", multiple=True, help="Of the recipes, this one; repeatable.")
def bench_models(  # noqa: PLR0913  the command's options, one for one
    *,
    folder: Path,
    data: tuple[Path, ...],
    output: Path,
    budget: float,
    steps: int | None,
    folds: tuple[int, ...],
    only: tuple[str, ...],
) -> None:
    """Train every recipe under one budget, and print how they compare.

    A recipe whose row is in the folder already is not trained again.
    """
    with extra():
        from inference.training.bench.run import Budget  # noqa: PLC0415  the extra
        from inference.training.commands import bench_models as bench  # noqa: PLC0415  the extra

        table = bench.bench_models(
            folder,
            data,
            output,
            Budget(budget, steps),
            folds=folds,
            only=only,
            read_frame=read_frame,
        )
    click.echo(table)
