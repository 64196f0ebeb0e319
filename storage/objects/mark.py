"""What the store knows of itself: its identity, a mark that only grows, its age.

One small file in the root of the store, or one small object of its bucket, replaced as
a whole and durably. Processes that share a store take turns: by a lock beside the file,
or, where they share no folder, by one that the database gives.
"""

import contextlib
import fcntl
import io
import json
import os
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, Self

from storage.errors import ObjectMissing, StoreMismatch
from storage.objects.durable import full_as_store_full, sync_directory

if TYPE_CHECKING:
    from storage.objects.bucket import Bucket

_FILE = "store.json"
_LOCK = "store.lock"
_CATCHING_UP = 2


@dataclass(frozen=True, slots=True)
class Mark:
    """What is written in the root of a store.

    Parameters
    ----------
    identity
        Of this store; the database that belongs to it has the same.
    generation
        Only grows. A database that remembers a smaller one is an older copy.
    believed_at
        The time by which the age of objects is judged; never ahead of the wall clock.
    seen_at
        The wall clock when ``believed_at`` was last moved.
    """

    identity: str
    generation: int
    believed_at: datetime
    seen_at: datetime

    @classmethod
    def new(cls, now: datetime) -> Self:
        """Mark a store that has no mark."""
        return cls(uuid.uuid4().hex, 0, now, now)

    def after(self, now: datetime, ran_s: float) -> Self:
        """Move the believed time on.

        It follows the wall clock, but never faster than twice the time in which a
        process ran: a clock that jumps ahead makes nothing old, and the days during
        which the machine was off are caught up.

        Parameters
        ----------
        now
            The wall clock.
        ran_s
            Seconds of running since this process last asked, by the monotonic clock.
        """
        # Of two processes each counts only what the other has not counted yet.
        passed_s = min(ran_s, max(0.0, (now - self.seen_at).total_seconds()))
        ahead = self.believed_at + timedelta(seconds=_CATCHING_UP * passed_s)
        return replace(self, believed_at=min(now, ahead), seen_at=now)


class MarkPlace(Protocol):
    """Where the mark of one store is."""

    @property
    def where(self) -> str:
        """The store, as an administrator knows it."""
        ...

    def locked(self) -> AbstractContextManager[None]:
        """Let no other process change the mark for the length of a block."""
        ...

    def read(self) -> Mark | None:
        """Read it; ``None`` where there is none; StoreMismatch where it is no mark."""
        ...

    def write(self, mark: Mark) -> None:
        """Replace it, durably; StoreFull where there is no room."""
        ...


class MarkFile:
    """Reads and writes the mark of one store.

    Parameters
    ----------
    root
        Directory of the store.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._path = root / _FILE

    @property
    def where(self) -> str:
        """The store's directory."""
        return str(self.root)

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Let no other process change the mark for the length of a block."""
        with io.FileIO(self.root / _LOCK, "ab") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def read(self) -> Mark | None:
        """Read the mark; ``None`` where the store has none yet.

        Raises
        ------
        StoreMismatch
            The file is there and is no mark.
        """
        try:
            return _read(self._path.read_bytes(), str(self._path))
        except FileNotFoundError:
            return None

    def write(self, mark: Mark) -> None:
        """Replace the mark, durably.

        Raises
        ------
        StoreFull
            There is no room; the former mark stays.
        """
        fresh = self._path.with_suffix(".new")
        with full_as_store_full():
            with fresh.open("wb") as file:
                file.write(_written(mark))
                file.flush()
                os.fsync(file.fileno())
            fresh.rename(self._path)
            sync_directory(self.root)


class MarkObject:
    """Reads and writes the mark of a store that is a bucket.

    Parameters
    ----------
    bucket
        The store's.
    lock
        Makes what lets all processes of the database take turns: object stores can
        be asked to put what is new, but not all to replace what is unchanged.
    """

    def __init__(
        self, bucket: "Bucket", lock: Callable[[], AbstractContextManager[None]]
    ) -> None:
        self._bucket = bucket
        self._lock = lock
        self._is_new = False

    @property
    def where(self) -> str:
        """The bucket."""
        return str(self._bucket)

    def locked(self) -> AbstractContextManager[None]:
        """Let no other process change the mark for the length of a block."""
        return self._lock()

    def read(self) -> Mark | None:
        """Read the mark; ``None`` where the store has none yet.

        Raises
        ------
        StoreMismatch
            The object is there and is no mark.
        """
        try:
            content = b"".join(self._bucket.read(_FILE))
        except ObjectMissing:
            self._is_new = True
            return None
        self._is_new = False
        return _read(content, f"{self._bucket}/{_FILE}")

    def write(self, mark: Mark) -> None:
        """Replace the mark, durably.

        Raises
        ------
        StoreMismatch
            Another database has taken this store, which had no mark, meanwhile.
        """
        if not self._is_new:
            self._bucket.replace(_FILE, _written(mark))
        elif not self._bucket.create(_FILE, _written(mark)):
            raise StoreMismatch(f"another database is taking {self._bucket}")
        self._is_new = False


def _read(content: bytes, place: str) -> Mark:
    try:
        found = json.loads(content)
        return Mark(
            identity=str(found["identity"]),
            generation=int(found["generation"]),
            believed_at=datetime.fromisoformat(found["believed_at"]),
            seen_at=datetime.fromisoformat(found["seen_at"]),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise StoreMismatch(
            f"{place} cannot be read: put it back from a backup, or remove it"
            " and run cxr-node adopt"
        ) from error


def _written(mark: Mark) -> bytes:
    content = json.dumps(
        {
            "identity": mark.identity,
            "generation": mark.generation,
            "believed_at": mark.believed_at.isoformat(),
            "seen_at": mark.seen_at.isoformat(),
        }
    )
    return f"{content}\n".encode("ascii")
