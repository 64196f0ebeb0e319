"""What the node writes about patients is the node's alone."""

import os
import stat
from pathlib import Path

from dicom_node.errors import SettingsInvalid

UMASK = 0o077
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def write_privately() -> None:
    """Let nobody else read what this process writes from now on."""
    os.umask(UMASK)


def keep_private(data_dir: Path) -> None:
    """Let nobody else read what this process writes, nor what it wrote before.

    The folder's own mode shuts out everybody else; what lies directly in it (the
    database, the folders of objects) is tightened for whoever opens the folder later.

    Raises
    ------
    SettingsInvalid
        The folder is somebody else's.
    """
    write_privately()
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        for path in (data_dir, *data_dir.iterdir()):
            mode = path.lstat().st_mode
            if mode & _OTHERS and not stat.S_ISLNK(mode):
                path.chmod(stat.S_IMODE(mode) & ~_OTHERS)
    except OSError as error:
        raise SettingsInvalid(
            f"node.data_dir: {data_dir} cannot be made this user's alone: "
            f"{error.strerror}"
        ) from error


def open_to_others(data_dir: Path) -> bool:
    """Tell whether others may look into the folder."""
    return data_dir.is_dir() and bool(data_dir.stat().st_mode & _OTHERS)
