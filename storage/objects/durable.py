"""What the kernel is asked for so that bytes are durable: locks, fsync, write-back."""

import contextlib
import ctypes
import errno
import fcntl
import io
import os
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import cast

from storage.errors import StoreFull

_SYNC_FILE_RANGE_WRITE = 2  # <linux/fs.h>
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


def free_bytes_of(directory: Path) -> int:
    """Count the bytes that may still be written to the directory's file system."""
    status = os.statvfs(directory)
    return status.f_bavail * status.f_frsize


def write_all(file: io.FileIO, data: bytes | bytearray | memoryview) -> int:
    """Write every byte: one call may stop short, on a disk that fills up."""
    view = memoryview(data)
    total = len(view)
    while view:
        view = view[file.write(view) :]
    return total


def sync_directory(directory: Path) -> None:
    """Make the names in a directory durable."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def open_locked(directory: Path) -> tuple[Path, io.FileIO]:
    """Open a fresh file and lock it, so that no sweep takes it for abandoned."""
    while True:
        path = directory / uuid.uuid4().hex
        file = io.FileIO(path, "xb")
        fcntl.flock(file, fcntl.LOCK_EX)
        # A sweep may have come between the open and the lock.
        if os.fstat(file.fileno()).st_nlink:
            return path, file
        file.close()


def remove_if_abandoned(path: Path) -> bool:
    """Remove a file unless some process holds its lock; tell whether it went."""
    try:
        file = io.FileIO(path, "rb")
    except FileNotFoundError:
        return False
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        path.unlink(missing_ok=True)
    return True


@contextlib.contextmanager
def full_as_store_full() -> Iterator[None]:
    """Say StoreFull where the kernel says that there is no room."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise StoreFull("no space left for objects") from error
        raise


_SyncFileRange = Callable[[int, int, int, int], int]


def _find_sync_file_range() -> _SyncFileRange | None:
    """Look up the Linux call that starts write-back without waiting for it."""
    try:
        function = ctypes.CDLL(None).sync_file_range
    except (OSError, AttributeError):
        return None
    function.argtypes = (ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint)
    function.restype = ctypes.c_int
    return cast("_SyncFileRange", function)


_sync_file_range = _find_sync_file_range()


def write_back(descriptor: int, offset: int, length: int) -> None:
    """Ask for a range to be written out, without waiting for it."""
    # Only a head start: an error shows up again in fsync, where it counts.
    if _sync_file_range is not None:
        _sync_file_range(descriptor, offset, length, _SYNC_FILE_RANGE_WRITE)
