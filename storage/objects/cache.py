"""Copies of objects on the local disk, for as long as there is room for them.

A copy is lent under a name of its own, a second link to the same file: what is in use
stays while its cached name goes. Digests are compared whenever a copy is lent, so that
what a crash left of one is fetched again.
"""

import contextlib
import fcntl
import hashlib
import io
import os
import threading
import uuid
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from storage.errors import ObjectCorrupt
from storage.objects.durable import (
    full_as_store_full,
    open_locked,
    remove_if_abandoned,
    write_all,
)

_KEPT_SHARE = 0.9  # after an eviction, so that not every copy costs one

Fetch = Callable[[], Iterable[bytes]]


class ObjectCache:
    """A bounded folder of copies, named after their digests.

    Parameters
    ----------
    folder
        Where they are; several processes may share it.
    limit_bytes
        What all of them may take, those apart that are in use.
    """

    def __init__(self, folder: Path, limit_bytes: int) -> None:
        self._copies = folder / "copies"
        self._lent = folder / "lent"
        self._copies.mkdir(parents=True, exist_ok=True)
        self._lent.mkdir(exist_ok=True)
        self._limit_bytes = limit_bytes
        self._lock = threading.Lock()
        self._about_bytes = sum(size for _, size, _ in self._all())

    @contextlib.contextmanager
    def lent(self, digest: str, fetch: Fetch) -> Iterator[Path]:
        """Lend a copy of the object with that digest; one is fetched if need be.

        Raises
        ------
        ObjectCorrupt
            What was fetched has another digest.
        StoreFull
            There is no room for a copy.
        """
        path, file = self._hold(digest) or self._fetched(digest, fetch)
        try:
            yield path
        finally:
            path.unlink(missing_ok=True)
            file.close()

    def keep(self, path: Path, digest: str) -> None:
        """Take a file over as a copy; its own name goes."""
        size = path.stat().st_size
        with contextlib.suppress(FileExistsError):
            os.link(path, self._copies / digest)
        path.unlink(missing_ok=True)
        self._grown(size)

    def drop(self, digest: str) -> None:
        """Forget a copy; whoever reads it goes on."""
        (self._copies / digest).unlink(missing_ok=True)

    def clear(self) -> None:
        """Forget all copies, for whoever needs the room more."""
        with self._lock:
            self._evict_to(0)

    def sweep(self) -> int:
        """Remove what processes that died had borrowed, and count it."""
        return sum(map(remove_if_abandoned, self._lent.iterdir()))

    def _hold(self, digest: str) -> tuple[Path, io.FileIO] | None:
        """Link a copy to a name of ours; ``None`` where there is no sound one."""
        copy, link = self._copies / digest, self._lent / uuid.uuid4().hex
        try:
            os.link(copy, link)
            os.utime(copy)
            file = io.FileIO(link, "rb")
        except FileNotFoundError:  # not there, evicted, or swept meanwhile
            link.unlink(missing_ok=True)
            return None
        fcntl.flock(file, fcntl.LOCK_SH)
        sound = hashlib.file_digest(file, "sha256").hexdigest() == digest
        if sound and link.exists():
            return link, file
        file.close()
        link.unlink(missing_ok=True)
        if not sound:
            copy.unlink(missing_ok=True)
        return None

    def _fetched(self, digest: str, fetch: Fetch) -> tuple[Path, io.FileIO]:
        with full_as_store_full():
            path, file = open_locked(self._lent)
        found, size = hashlib.sha256(), 0
        try:
            with full_as_store_full():
                for chunk in fetch():
                    found.update(chunk)
                    size += write_all(file, chunk)
            _compare(found.hexdigest(), digest)
            with contextlib.suppress(FileExistsError):
                os.link(path, self._copies / digest)
        except BaseException:
            path.unlink(missing_ok=True)
            file.close()
            raise
        # Others may borrow the same file, and no sweep may take it.
        fcntl.flock(file, fcntl.LOCK_SH)
        self._grown(size)
        return path, file

    def _grown(self, size_bytes: int) -> None:
        with self._lock:
            self._about_bytes += size_bytes
            if self._about_bytes > self._limit_bytes:
                self._evict_to(int(self._limit_bytes * _KEPT_SHARE))

    def _evict_to(self, wanted_bytes: int) -> None:
        """Remove the copies that were not used for longest; other processes help."""
        found = sorted(self._all())
        self._about_bytes = sum(size for _, size, _ in found)
        for _, size, path in found:
            if self._about_bytes <= wanted_bytes:
                break
            path.unlink(missing_ok=True)
            self._about_bytes -= size

    def _all(self) -> list[tuple[float, int, Path]]:
        found = []
        for path in self._copies.iterdir():
            with contextlib.suppress(FileNotFoundError):
                status = path.stat()
                found.append((status.st_mtime, status.st_size, path))
        return found


def _compare(found: str, digest: str) -> None:
    if found != digest:
        raise ObjectCorrupt(f"object {digest} does not match its digest")
