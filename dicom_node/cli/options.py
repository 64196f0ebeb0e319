"""What several commands have in common."""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from dicom_node.node.settings.load import Settings
from dicom_node.node.wiring import storage as wired
from storage.database import Database

FilePath = click.Path(path_type=Path, dir_okay=False)
FolderPath = click.Path(path_type=Path, file_okay=False)
AnyPath = click.Path(path_type=Path, exists=True)


def config_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--config``."""
    return click.option(
        "--config",
        type=FilePath,
        envvar="CXR_NODE_CONFIG",
        help="The TOML file; without it every key has its default.",
    )(command)


@contextmanager
def opened_database(config: Path | None) -> Iterator[Database]:
    """Open the database of a configuration, and close it."""
    with wired.opened_database(Settings.load(config)) as database:
        yield database


def keep_libraries_quiet() -> None:
    """Let no library's warning through: it would print a patient's values."""
    warnings.simplefilter("ignore")


# Options that several model-building commands share.
data_option = click.option(
    "--data",
    type=FolderPath,
    required=True,
    help="Annotated films, COCO or RSNA layout.",
)
output_option = click.option(
    "--output", type=FolderPath, required=True, help="Folder of the report."
)
flip_option = click.option(
    "--flip", is_flag=True, help="Ask about every film's mirror image too."
)
replicates_option = click.option(
    "--replicates",
    type=click.IntRange(min=10),
    default=1000,
    show_default=True,
    help="Of the bootstrap that gives the intervals.",
)
remember_option = click.option(
    "--remember",
    type=FolderPath,
    help="Folder that keeps the networks' answers for the next time.",
)
