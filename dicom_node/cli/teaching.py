"""``teach``: what trained models outline, for another to learn from."""

from contextlib import closing
from pathlib import Path

import click

from dicom_node.cli.options import AnyPath, FolderPath, data_option, flip_option
from dicom_node.cli.training import Folds, extra, read_frame


@click.command()
@click.option(
    "--model",
    "models",
    type=AnyPath,
    multiple=True,
    required=True,
    help="Model folder or checkpoint (.pt); given several times: their ensemble.",
)
@data_option
@click.option(
    "--folds",
    "--fold",
    type=Folds(),
    required=True,
    help="Folds to outline: all but the one that the student, and so its teacher,"
    " must not learn from.",
)
@flip_option
@click.option(
    "--output", type=FolderPath, required=True, help="Folder for the maps, as PNG."
)
def teach(
    *,
    models: tuple[Path, ...],
    data: Path,
    folds: tuple[int, ...],
    flip: bool,
    output: Path,
) -> None:
    """Outline films for another network to learn from where nobody annotated.

    A recipe names the folder as data.teacher.
    """
    with extra():
        from inference.training.evaluate import open_models  # noqa: PLC0415
        from inference.training.evaluation.films import read_data  # noqa: PLC0415
        from inference.training.teacher import teach as run  # noqa: PLC0415

        films, _ = read_data(data, folds, dicom=False)
        with closing(open_models(models, flip=flip)) as teacher:
            run(teacher, films, read_frame, output)
    click.echo(output)
