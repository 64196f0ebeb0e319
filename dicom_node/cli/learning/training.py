"""``train``, ``evaluate``, ``tune``, ``export`` and ``card``: the ``training`` extra.

The training package is imported only when one of them runs, and is handed the
node's own reader, so that a DICOM file is read alike in training and in serving.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import click

from dicom_node.cli.terminal.options import (
    AnyPath,
    FilePath,
    FolderPath,
    ModelPath,
    data_option,
    flip_option,
    keep_libraries_quiet,
    output_option,
    remember_option,
    replicates_option,
)
from dicom_node.dataset import frames
from dicom_node.errors import NodeError
from inference.errors import TrainingError
from inference.frame import Frame
from inference.manifest import Precision
from inference.runners.onnx import Device

PICTURES = frozenset({".jpg", ".jpeg", ".png"})


class ExtraMissing(NodeError):
    """The packages for model building are not installed."""


class FoldNumbers(click.ParamType[tuple[int, ...]]):
    """Fold numbers, separated by commas."""

    name = "N[,N…]"

    def convert(
        self,
        value: str | tuple[int, ...],
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> tuple[int, ...]:
        """Turn "0,2" into (0, 2)."""
        if isinstance(value, tuple):
            return value
        try:
            folds = tuple(int(part) for part in value.split(","))
        except ValueError:
            self.fail(f"{value!r} is not a list of fold numbers", param, ctx)
        if min(folds) < 0:
            self.fail(f"{value!r}: folds count from 0", param, ctx)
        return folds


class _HeldOut(click.ParamType[tuple[int, ...] | Literal["none"]]):
    """The folds that are not learned from, or none."""

    name = "N,N|none"

    def convert(
        self,
        value: str | tuple[int, ...],
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> tuple[int, ...] | Literal["none"]:
        """Turn "0" into (0,) and leave "none"."""
        if value == "none":
            return "none"
        try:
            return FoldNumbers().convert(value, param, ctx)
        except click.BadParameter:
            self.fail(f"{value!r} is neither a fold number nor none", param, ctx)


def _one_or_more(folds: tuple[int, ...]) -> int | tuple[int, ...]:
    """Write a single fold as the recipe does."""
    return folds[0] if len(folds) == 1 else folds


@contextmanager
def extra() -> Iterator[None]:
    """Say in one line that the ``training`` extra is missing."""
    keep_libraries_quiet()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        yield
    except ModuleNotFoundError as error:
        raise ExtraMissing(
            f"{error.name} is missing: model building needs the training extra, "
            "pip install 'cxr-node[training]'"
        ) from error


def read_frame(path: Path) -> Frame:
    """Read a picture or a DICOM file, as serving does."""
    if path.suffix.lower() in PICTURES:
        from inference.training.data.dataset import read_picture  # noqa: PLC0415  the extra

        return read_picture(path)
    try:
        return frames.read(path)[1]
    except (NodeError, OSError) as error:
        raise TrainingError(f"{path}: {error}") from error


@click.command()
@click.option(
    "--recipe",
    type=FilePath,
    required=True,
    help="What to learn from and how; conf/training.toml explains the keys.",
)
@click.option("--variant", help="Lay the recipe's [variant.NAME] over the rest of it.")
@click.option(
    "--fold",
    type=_HeldOut(),
    help="Fold to hold out for validation (0,10: two), or none to learn from every"
    " film; default: the recipe's data.validation_fold.",
)
@click.option(
    "--data",
    type=FolderPath,
    multiple=True,
    help="Annotated films, COCO or RSNA layout, in place of the recipe's; given several"
    " times: all of them.",
)
@click.option("--output", type=FolderPath, required=True, help="Folder of the run.")
@click.option(
    "--resume",
    is_flag=True,
    help="Go on from the run's last checkpoint, as if it had never stopped.",
)
@click.option(
    "--overwrite",
    is_flag=True,
    help="Start anew in a folder that is not empty: an earlier run in it is removed.",
)
def train(  # noqa: PLR0913  the command's options, one for one
    *,
    recipe: Path,
    variant: str | None,
    fold: tuple[int, ...] | Literal["none"] | None,
    data: tuple[Path, ...],
    output: Path,
    resume: bool,
    overwrite: bool,
) -> None:
    """Train a model by recipe, and print the path of the best checkpoint.

    A recipe without pixels (columns) leaves a report, whose path is printed.
    """
    with extra():
        from inference.training.commands.train import run_recipe  # noqa: PLC0415  the extra
        from inference.training.evaluation.films import on_data  # noqa: PLC0415  the extra
        from inference.training.recipe.recipe import read_recipe  # noqa: PLC0415  the extra

        wanted = on_data(read_recipe(recipe, variant), data)
        if fold is not None:
            wanted = wanted.holding_out(None if fold == "none" else _one_or_more(fold))
        best = run_recipe(
            wanted,
            read_frame=read_frame,
            output=output,
            resume=resume,
            overwrite=overwrite,
        )
    click.echo(best)


@click.command()
@click.option(
    "--model",
    "models",
    type=ModelPath(),
    multiple=True,
    help="Model folder, checkpoint (.pt), or name of a model at hand such as default;"
    " given several times: their ensemble.",
)
@click.option(
    "--data",
    type=FolderPath,
    multiple=True,
    help="Annotated films, COCO or RSNA layout; given several times: all of them.",
)
@click.option(
    "--folds",
    "--fold",
    type=FoldNumbers(),
    default=(),
    help="Folds to measure on, such as 0 or 0,1; default: all of them.",
)
@output_option
@flip_option
@remember_option
@click.option(
    "--pool",
    is_flag=True,
    help="Summarise the CASES (cases.json of other evaluations) instead.",
)
@click.option(
    "--against",
    type=FilePath,
    multiple=True,
    help="With --pool: cases.json of another model on the same films; gain.md tells"
    " what the pooled one gains, film by film.",
)
@replicates_option
@click.option(
    "--device",
    type=click.Choice(["auto", "cpu", "cuda"]),
    default="auto",
    show_default=True,
    help="Where the network runs.",
)
@click.argument("cases", nargs=-1, type=FilePath, metavar="[CASES…]")
def evaluate(  # noqa: PLR0913  the command's options, one for one
    *,
    models: tuple[Path, ...],
    data: tuple[Path, ...],
    folds: tuple[int, ...],
    output: Path,
    flip: bool,
    remember: Path | None,
    pool: bool,
    against: tuple[Path, ...],
    replicates: int,
    device: Device,
    cases: tuple[Path, ...],
) -> None:
    """Measure a model on annotated films, and print the report.

    With --pool: put the folds of a cross-validation together.
    """
    if pool != bool(cases) or (pool and (models or data or flip)):
        raise click.UsageError("--pool takes CASES, and neither model nor data")
    if against and not pool:
        raise click.UsageError("--against goes with --pool")
    with extra():
        from inference.training.commands import evaluate as measuring  # noqa: PLC0415  the extra

        if pool:
            measuring.pool(cases, output, replicates, against=against)
        elif models and data:
            measuring.evaluate(
                measuring.open_models(models, device, remember, flip=flip),
                data,
                output,
                folds=folds,
                learned=measuring.learned_by(models),
                read_frame=read_frame,
                replicates=replicates,
            )
        else:
            raise click.UsageError("either --model and --data, or --pool CASES…")
    click.echo((output / "report.md").read_text(encoding="utf-8"))


@click.command()
@click.option(
    "--model",
    type=AnyPath,
    required=True,
    help="Model folder, whose manifest is written; or a checkpoint, for a look.",
)
@data_option
@click.option(
    "--folds",
    "--fold",
    type=FoldNumbers(),
    required=True,
    help="Validation folds: films the model did not learn from.",
)
@click.option(
    "--limit",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="At most so many films of each kind and source; 0 takes all.",
)
@click.option(
    "--keep-outlines",
    is_flag=True,
    help="Fix calibration and film thresholds only, no outline's threshold.",
)
@click.option(
    "--cross-fit",
    type=FolderPath,
    help="Folder for a report: half the patients, judged by the other half.",
)
@remember_option
def tune(  # noqa: PLR0913  the command's options, one for one
    *,
    model: Path,
    data: Path,
    folds: tuple[int, ...],
    limit: int,
    keep_outlines: bool,
    cross_fit: Path | None,
    remember: Path | None,
) -> None:
    """Fix a model's thresholds and calibration on validation films."""
    with extra():
        from inference.training.commands import tune as tuning  # noqa: PLC0415  the extra

        tuned = tuning.tune_model(
            model,
            data,
            folds=folds,
            limit=limit,
            outlines=not keep_outlines,
            cross_fit=cross_fit,
            remember=remember,
            read_frame=read_frame,
        )
        click.echo(tuning.told(tuned), nl=False)


@click.command()
@click.option("--checkpoint", type=FilePath, help="best.pt of a training run.")
@click.option(
    "--model",
    type=ModelPath(),
    help="Or a model folder, or a model's name: with --precision int8, the same with an"
    " 8-bit trunk.",
)
@click.option("--output", type=FolderPath, required=True, help="The model folder.")
@click.option(
    "--films",
    type=FolderPath,
    required=True,
    help="Real radiographs to compare answers on, and to calibrate int8 or --width on.",
)
@click.option(
    "--count",
    type=click.IntRange(min=1),
    default=64,
    show_default=True,
    help="How many of them.",
)
@click.option("--name", help="Of the model; default: the folder's name.")
@click.option("--model-version", help="Of the model; default: 1, or that of --model.")
@click.option(
    "--precision",
    type=click.Choice(["fp32", "fp16", "int8"]),
    default="fp32",
    show_default=True,
    help="fp16 halves the file; int8 makes the trunk 8-bit too, for speed on a CPU.",
)
@click.option(
    "--width",
    type=click.IntRange(min=8),
    help="Narrow the trunk of a ResNet-50 or -101, trained at 64, to this (a multiple"
    " of 16 is fastest): fitted on the films to answer as before. 48 takes a quarter"
    " less time, 32 four tenths.",
)
def export(  # noqa: PLR0913, PLR0917  the command's options, one for one
    checkpoint: Path | None,
    model: Path | None,
    output: Path,
    films: Path,
    count: int,
    name: str | None,
    model_version: str | None,
    precision: Precision,
    width: int | None,
) -> None:
    """Turn a checkpoint into a model folder, and check it on real films.

    The graph must answer as torchvision does before it is let out. 8 bits change the
    answers a little: measure such a folder before you use it.
    """
    if model is not None and (precision != "int8" or width is not None):
        raise click.UsageError("Of a --model only --precision int8 can be made.")
    with extra():
        from inference.training.export import export as exporting  # noqa: PLC0415  the extra

        name = name or output.name
        if checkpoint is not None and model is None:
            order = exporting.Order(
                name=name,
                version=model_version or "1",
                precision=precision,
                width=width,
            )
            found = exporting.find_films(films, count)
            made = exporting.export(checkpoint, output, order, found, read_frame)
        elif model is not None and checkpoint is None:
            made = exporting.export_quantised(
                model,
                output,
                exporting.find_films(films, count),
                name=name,
                version=model_version,
                read_frame=read_frame,
            )
        else:
            raise click.UsageError("Name one of --checkpoint and --model.")
    click.echo(f"{output / made.file} {made.sha256}")


@click.command()
@click.option("--model", type=FolderPath, required=True, help="The model folder.")
@click.option(
    "--metrics", type=FilePath, required=True, help="metrics.json of its evaluation."
)
@click.option(
    "--recipe", type=FilePath, required=True, help="recipe.json of its training run."
)
@click.option("--remarks", type=FilePath, help="Markdown to add at the end.")
def card(model: Path, metrics: Path, recipe: Path, remarks: Path | None) -> None:
    """Write MODEL_CARD.md, and the metrics into the manifest."""
    with extra():
        from inference.training.commands.card import write_card  # noqa: PLC0415  the extra

        click.echo(write_card(model, metrics, recipe, remarks))
