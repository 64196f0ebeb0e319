"""What the machine has to give: room, permissions, the right time."""

import ctypes
import os
import tempfile
from contextlib import closing
from pathlib import Path

from dicom_node import injected
from dicom_node.node import logs
from dicom_node.node.clocks import JUMP_S, refuse_impossible
from dicom_node.node.doctor.verdicts import Doubt, Wrong
from dicom_node.node.health import disk_trouble
from dicom_node.node.private_files import open_to_others
from dicom_node.node.settings.load import Settings
from dicom_node.node.wiring.storage import embedded_file, make_database, make_store
from storage.objects.mark import MarkFile

_NOT_SYNCHRONISED = 5  # TIME_ERROR of adjtimex(2)
_TIMEX_BYTES = 512  # more than struct timex has anywhere


def disk(settings: Settings) -> str:
    """Write, and look for room, as the node does."""
    folder = settings.node.data_dir
    existing = _existing(folder)
    with tempfile.TemporaryFile(dir=existing) as file:
        file.write(b"\0" * 4096)
        file.flush()
        os.fsync(file.fileno())
    status = os.statvfs(existing)
    free = status.f_bavail * status.f_frsize
    trouble = disk_trouble(make_store(settings)) if folder.is_dir() else None
    if trouble or free < settings.node.minimum_free_bytes:
        said = trouble or "free space is below node.minimum_free_bytes"
        raise Wrong(f"{folder}: {free / 1e9:.1f} GB free: {said}")
    return f"{folder} can be written, {free / 1e9:.1f} GB free"


def permissions(settings: Settings) -> str:
    """Look whether everything of the node's is this user's, and nobody else's."""
    folder = settings.node.data_dir
    if settings.node.log_file is not None:
        logs.try_file(settings.node.log_file)
    if not folder.is_dir():
        return f"{folder} is made at the first start"
    for path in (folder, *sorted(folder.iterdir())):
        if not path.is_symlink():
            _is_ours(path)
    if open_to_others(folder):
        raise Doubt(f"{folder}: others may read it; the node closes it when it starts")
    return f"{folder} is this user's alone"


def clock(settings: Settings) -> str:
    """Compare this machine's clock with all that is at hand."""
    now = injected.clock()
    refuse_impossible(now)
    folder = settings.node.data_dir
    mark = MarkFile(folder).read() if folder.is_dir() else None
    if mark is not None and (mark.seen_at - now).total_seconds() > JUMP_S:
        raise Doubt(
            f"this machine's clock says {now:%Y-%m-%d %H:%M} UTC, earlier than when the"
            f" node last ran ({mark.seen_at:%Y-%m-%d %H:%M} UTC): set it, by NTP"
        )
    if embedded_file(settings) is None:
        _compare_with_server(settings)
    if not _synchronised():
        raise Doubt(f"{now:%Y-%m-%d %H:%M:%S} UTC, and no NTP service keeps it right")
    return f"{now:%Y-%m-%d %H:%M:%S} UTC, kept by NTP"


def _compare_with_server(settings: Settings) -> None:
    with closing(make_database(settings)) as database:
        there = database.server_time()
    if there is None:
        return
    ahead_s = (injected.clock() - there).total_seconds()
    if abs(ahead_s) > JUMP_S:
        word = "ahead of" if ahead_s > 0 else "behind"
        raise Doubt(
            f"this machine's clock is {abs(ahead_s):.0f} s {word} the database"
            " server's: set both by NTP"
        )


def _synchronised() -> bool:
    """Ask the kernel whether a time service keeps its clock; where it cannot, yes."""
    try:
        adjtimex = ctypes.CDLL(None).adjtimex
    except (OSError, AttributeError):
        return True
    # Zeroed, its modes say that nothing shall be set.
    return int(adjtimex(ctypes.create_string_buffer(_TIMEX_BYTES))) != _NOT_SYNCHRONISED


def _is_ours(path: Path) -> None:
    needed = os.R_OK | os.W_OK | (os.X_OK if path.is_dir() else 0)
    if not os.access(path, needed):
        raise Wrong(f"{path} cannot be read and written by this user")
    if path.stat().st_uid != os.geteuid():
        raise Doubt(
            f"{path} is another user's than who asks: run doctor as the user of the"
            " node, and give the files to that user"
        )


def _existing(folder: Path) -> Path:
    return next(path for path in (folder, *folder.absolute().parents) if path.exists())
