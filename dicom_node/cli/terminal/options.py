"""What several commands have in common."""

import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from dicom_node.errors import NodeError
from dicom_node.node.settings.load import Settings
from dicom_node.node.wiring import storage as wired
from dicom_node.node.wiring.model import model_roots
from inference.errors import ModelNotFound
from inference.models import find_model
from storage.database import Database

SITE_CONFIG = Path("/etc/cxr-node/node.toml")
"""The configuration where nobody names one, if it is there."""


class GivenPath(click.Path):
    """A file or folder that has to be there; what is missing is called missing."""

    def __init__(self, *, folders: bool) -> None:
        super().__init__(path_type=Path)
        self._folders = folders

    def convert(
        self,
        value: Any,
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> Any:
        """Look whether it is there."""
        path = Path(value)
        if not path.exists():
            self.fail(f"no such file: {path}", param, ctx)
        if path.is_dir() and not self._folders:
            self.fail(f"{path} is a folder, not a file", param, ctx)
        return path


FilePath = click.Path(path_type=Path, dir_okay=False)
FolderPath = click.Path(path_type=Path, file_okay=False)
GivenFile = GivenPath(folders=False)
AnyPath = GivenPath(folders=True)


def site_config() -> Path | None:
    """Find the configuration of this machine, if it has one."""
    return SITE_CONFIG if SITE_CONFIG.is_file() else None


def config_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--config``."""
    return click.option(
        "--config",
        type=FilePath,
        envvar="CXR_NODE_CONFIG",
        default=site_config,
        help=f"The TOML file; else that of CXR_NODE_CONFIG, else {SITE_CONFIG},"
        " else every key has its default.",
    )(command)


@contextmanager
def opened_database(config: Path | None) -> Iterator[Database]:
    """Open the database of a configuration, and close it."""
    with wired.opened_database(Settings.load(config)) as database:
        yield database


def keep_libraries_quiet() -> None:
    """Let no library's warning through: it would print a patient's values."""
    warnings.simplefilter("ignore")


class ModelPath(click.ParamType[Path]):
    """A model folder or checkpoint by its path, or a model at hand by its name."""

    name = "PATH|NAME"

    def convert(
        self,
        value: str | Path,
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> Path:
        """Turn "default" into its folder, unless there is something of that path."""
        path = Path(value)
        if isinstance(value, Path) or path.exists():
            return path
        config = os.environ.get("CXR_NODE_CONFIG")
        try:
            settings = Settings.load(Path(config) if config else None)
            return find_model(value, model_roots(settings))
        except (ModelNotFound, NodeError) as error:
            self.fail(f"{value!r} does not exist, and {error}", param, ctx)


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
