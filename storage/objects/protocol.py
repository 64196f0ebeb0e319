"""What an object store promises: immutable objects, addressed by their content.

The door to durability. What ``commit`` and ``put`` return is durable; that is what
a Success status to a Storage SCU rests on (DICOM PS3.4 B.2.3, PS3.7 9.1.1).
"""

from collections.abc import Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, Protocol


@dataclass(frozen=True, slots=True)
class StoredObject:
    """What the store knows of an object: its key, size and digest."""

    key: str
    size_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class SetAside:
    """An object that nothing referred to, kept beside the store.

    Parameters
    ----------
    key, size_bytes
        What it was in the store.
    at
        When it was set aside.
    """

    key: str
    size_bytes: int
    at: datetime


class Incoming(Protocol):
    """An object on its way in; nothing of it is visible before ``commit``."""

    @property
    def size_bytes(self) -> int:
        """How much was written so far."""
        ...

    def write(self, data: bytes | bytearray | memoryview) -> int:
        """Append; raises StoreFull when there is no room."""
        ...

    def open(self) -> BinaryIO:
        """Read what was written so far, to look at headers."""
        ...

    def commit(self) -> StoredObject:
        """Make the object durable and visible, and say what it is."""
        ...

    def abort(self) -> None:
        """Forget everything; harmless after ``commit``."""
        ...


class ObjectStore(Protocol):
    """Immutable objects, addressed by what they contain."""

    def incoming(self) -> Incoming:
        """Open a writer for an object that arrives piece by piece from outside.

        Raises StoreFull below the watermark, which is the room to finish what was
        received.
        """
        ...

    def put(self, source: BinaryIO) -> StoredObject:
        """Store what this node made, below the watermark too.

        Raises StoreFull where there is no room at all; then nothing stays.
        """
        ...

    def open(self, key: str) -> BinaryIO:
        """Read an object; raises ObjectMissing."""
        ...

    def local(self, key: str) -> AbstractContextManager[Path]:
        """Lend a file with the object's bytes, to be read; raises ObjectMissing.

        It is there until the context ends, and not a moment longer.
        """
        ...

    def stored_at(self, key: str) -> datetime:
        """Tell when the object was last stored (aware UTC); raises ObjectMissing."""
        ...

    def verify(self, key: str) -> None:
        """Read it all and compare digests; raises ObjectCorrupt, ObjectMissing."""
        ...

    def delete(self, key: str) -> None:
        """Remove an object; nothing happens when it is not there."""
        ...

    def sweep(self) -> int:
        """Remove what a crash left half-written, and count it.

        What some process is writing stays.
        """
        ...

    def free_bytes(self) -> int:
        """Room left above the watermark."""
        ...

    def room_bytes(self) -> int:
        """Room left for what ``put`` stores."""
        ...

    def set_aside(self, key: str, at: datetime) -> None:
        """Take an object out of the store and keep it beside it, durably."""
        ...

    def aside(self) -> Iterable[SetAside]:
        """Every object that was set aside, in no particular order."""
        ...

    def forget_aside(self, before: datetime) -> int:
        """Remove what was set aside before then, and count it."""
        ...

    def keys(self) -> Iterable[str]:
        """Every stored key, in no particular order."""
        ...
