"""``train``, ``evaluate`` and ``export``: they need the ``training`` extra.

The training package is imported only when one of them runs, and is handed the
node's own reader, so that a DICOM file is read alike in training and in serving.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from dicom_node import frames
from dicom_node.cli.options import FilePath, FolderPath, keep_libraries_quiet
from dicom_node.errors import NodeError
from inference.errors import TrainingError
from inference.frame import Frame
from inference.manifest import Precision
from inference.onnx_runner import Device

PICTURES = frozenset({".jpg", ".jpeg", ".png"})


class ExtraMissing(NodeError):
    """The packages for model building are not installed."""


@contextmanager
def _extra() -> Iterator[None]:
    keep_libraries_quiet()
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
        from inference.training.dataset import read_picture  # noqa: PLC0415

        return read_picture(path)
    try:
        return frames.read(path)[1]
    except (NodeError, OSError) as error:
        raise TrainingError(f"{path}: {error}") from error


@click.command()
@click.option("--recipe", type=FilePath, required=True, help="conf/training.toml")
@click.option("--variant", help="One of the recipe's variants.")
@click.option("--output", type=FolderPath, required=True, help="Folder of the run.")
@click.option("--resume", is_flag=True, help="Go on from the run's last checkpoint.")
def train(recipe: Path, variant: str | None, output: Path, *, resume: bool) -> None:
    """Train a model by recipe."""
    with _extra():
        from inference.training.engine import train as run  # noqa: PLC0415
        from inference.training.recipe import read_recipe  # noqa: PLC0415

        best = run(
            read_recipe(recipe, variant),
            read_frame=read_frame,
            output=output,
            resume=resume,
        )
    click.echo(best)


@click.command()
@click.option(
    "--model",
    type=click.Path(path_type=Path, exists=True),
    required=True,
    help="Model folder or checkpoint.",
)
@click.option("--data", type=FolderPath, required=True, help="Annotated films.")
@click.option("--fold", "folds", type=int, multiple=True, help="Default: all folds.")
@click.option("--output", type=FolderPath, required=True, help="Folder of the report.")
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto")
def evaluate(
    model: Path, data: Path, folds: tuple[int, ...], output: Path, device: Device
) -> None:
    """Measure a model on annotated films."""
    with _extra():
        from inference.training.evaluate import evaluate as run  # noqa: PLC0415

        run(
            model,
            data,
            output,
            folds=folds,
            read_frame=read_frame,
            device=device,
        )
    click.echo((output / "report.md").read_text(encoding="utf-8"))


@click.command()
@click.option("--checkpoint", type=FilePath, required=True)
@click.option("--output", type=FolderPath, required=True, help="The model folder.")
@click.option("--films", type=FolderPath, required=True, help="Real radiographs.")
@click.option("--count", default=64, show_default=True, help="How many of them.")
@click.option("--name", help="Default: the folder's name.")
@click.option("--model-version", default="1", show_default=True)
@click.option(
    "--precision", type=click.Choice(["fp32", "fp16", "int8"]), default="fp32"
)
def export(  # noqa: PLR0913, PLR0917  the command's options, one for one
    checkpoint: Path,
    output: Path,
    films: Path,
    count: int,
    name: str | None,
    model_version: str,
    precision: Precision,
) -> None:
    """Turn a checkpoint into a model folder, and check it on real films."""
    with _extra():
        from inference.training.export import Order, find_films  # noqa: PLC0415
        from inference.training.export import export as run  # noqa: PLC0415

        order = Order(
            name=name or output.name,
            version=model_version,
            precision=precision,
        )
        found = find_films(films, count)
        manifest = run(checkpoint, output, order, found, read_frame)
    click.echo(f"{output / manifest.file} {manifest.sha256}")
