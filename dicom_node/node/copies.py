"""A copy of everything that a node remembers, and the way back.

First the database, then the objects, which never change: what the copied database knows
is then among the copied objects, while the node runs.
"""

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from dicom_node.errors import NodeError
from dicom_node.node.private_files import write_privately
from dicom_node.node.settings.load import Settings
from dicom_node.node.wiring.storage import embedded_file
from storage.embedded import copy_database
from storage.objects.durable import sync_directory

_DATABASE, _MARK = "node.db", "store.json"
_FOLDERS = ("objects", "aside")
_LOGS = ("-wal", "-shm", "-journal")


class CopyRefused(NodeError):
    """There is nothing to copy, or no place for it."""


@dataclass(frozen=True, slots=True)
class Copied:
    """What was copied; what was there already is not counted.

    Parameters
    ----------
    objects, size_bytes
        Files of images and results.
    has_database
        Whether the database is among it; a server's is not.
    """

    objects: int
    size_bytes: int
    has_database: bool


def backup(settings: Settings, folder: Path) -> Copied:
    """Copy the database and what is new of the objects; the node may run.

    Raises
    ------
    CopyRefused
        There is nothing, or the folder is the node's own.
    DatabaseUnavailable
        The database cannot be read.
    """
    write_privately()
    data = settings.node.data_dir
    if not (data / "objects").is_dir():
        raise CopyRefused(f"{data} holds no objects: node.data_dir is another folder")
    if _is_within(folder, data):
        raise CopyRefused(f"{folder} lies in {data}, which is to be copied")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    database = embedded_file(settings)
    if database is not None:
        copy_database(database, folder / _DATABASE)
    copied = _copy_objects(data, folder)
    if (data / _MARK).is_file():
        _copy(data / _MARK, folder / _MARK)
    return Copied(*copied, has_database=database is not None)


def restore(settings: Settings, folder: Path) -> Copied:
    """Put a copy in the place of what the node remembers; it must not run.

    Objects and the mark of the store that are there stay: the database is then older
    than the store, and takes in at the next start what it lacks. The database that is
    replaced is kept beside the new one.

    Raises
    ------
    CopyRefused
        The folder holds no copy.
    """
    write_privately()
    database = embedded_file(settings)
    if not (folder / "objects").is_dir():
        raise CopyRefused(f"{folder} holds no copy of a node: no objects")
    if database is not None and not (folder / _DATABASE).is_file():
        raise CopyRefused(f"{folder} holds no copy of a node: no {_DATABASE}")
    data = settings.node.data_dir
    data.mkdir(mode=0o700, parents=True, exist_ok=True)
    copied = _copy_objects(folder, data)
    if (folder / _MARK).is_file() and not (data / _MARK).exists():
        _copy(folder / _MARK, data / _MARK)
    if database is not None:
        _exchange(folder / _DATABASE, database)
    return Copied(*copied, has_database=database is not None)


def _exchange(copy: Path, database: Path) -> None:
    """Put a database in the place of another, which stays under another name."""
    database.parent.mkdir(parents=True, exist_ok=True)
    fresh = database.with_name(f"{database.name}.restored")
    _copy(copy, fresh)
    if database.exists():
        # Its log belongs to it: copied together they are one file again.
        copy_database(database, database.with_name(f"{database.name}.replaced"))
    for suffix in _LOGS:
        database.with_name(f"{database.name}{suffix}").unlink(missing_ok=True)
    fresh.replace(database)
    sync_directory(database.parent)


def _copy_objects(source: Path, target: Path) -> tuple[int, int]:
    """Copy the files that are not there yet, each durably; count them and bytes."""
    count = size = 0
    for path in _files(source):
        place = target / path.relative_to(source)
        try:
            length = path.stat().st_size
            if place.is_file() and place.stat().st_size == length:
                continue
            place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            _copy(path, place)
        except FileNotFoundError:
            continue  # retention removed it meanwhile
        count, size = count + 1, size + length
    return count, size


def _files(folder: Path) -> Iterator[Path]:
    for name in _FOLDERS:
        for path in (folder / name).rglob("*"):
            if path.is_file() and not path.is_symlink():
                yield path


def _copy(source: Path, target: Path) -> None:
    """Copy a file whole and durably, or not at all; for its owner only."""
    fresh = target.with_name(f"{target.name}.new")
    shutil.copy2(source, fresh)
    fresh.chmod(0o600)
    with fresh.open("rb") as file:
        os.fsync(file.fileno())
    fresh.replace(target)


def _is_within(folder: Path, data: Path) -> bool:
    return folder.resolve().is_relative_to(data.resolve())
