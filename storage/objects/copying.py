"""Copies one object store into another while both are in use.

Objects never change, so that only those that the other lacks are copied; each is
compared with its digest on the way.
"""

import hashlib
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from enum import Enum, auto
from itertools import islice

from storage.errors import ObjectCorrupt, ObjectMissing, StoreMismatch
from storage.objects.keys import digest_of
from storage.objects.mark import MarkPlace
from storage.objects.protocol import ObjectStore

_AT_ONCE = 4
_CHUNK = 1000


class Fate(Enum):
    """What became of an object that was to be copied."""

    COPIED = auto()
    GONE = auto()
    """It was removed meanwhile."""
    CORRUPT = auto()
    """It is not what was stored, and was left where it is."""


def check_direction(source: MarkPlace, target: MarkPlace, held: ObjectStore) -> None:
    """Refuse to copy over another node's store, or an older state over a newer one.

    Parameters
    ----------
    source, target
        The two marks.
    held
        What is at the target.

    Raises
    ------
    StoreMismatch
        The target is not what a copy of the source may go to.
    """
    mine, theirs = source.read(), target.read()
    if mine is None:
        raise StoreMismatch(
            f"no node has used {source.where}: there is nothing to copy"
        )
    if theirs is None:
        if next(iter(held.keys()), None) is not None:
            raise StoreMismatch(
                f"{target.where} holds objects of which nobody knows whose they are:"
                " choose an empty place"
            )
    elif theirs.identity != mine.identity:
        raise StoreMismatch(f"{target.where} belongs to another node")
    elif theirs.generation > mine.generation:
        raise StoreMismatch(
            f"{target.where} is the newer of the two: a node has used it since the last"
            " copy"
        )
    target.write(mine)


def missing(source: ObjectStore, target: ObjectStore) -> list[str]:
    """Name what the source holds and the target lacks."""
    there = {bytes.fromhex(digest_of(key)) for key in target.keys()}  # noqa: SIM118  a store is no mapping
    return [key for key in source.keys() if bytes.fromhex(digest_of(key)) not in there]  # noqa: SIM118  as above


def copy(
    keys: Iterable[str], source: ObjectStore, target: ObjectStore
) -> Iterator[tuple[str, Fate]]:
    """Copy objects, several at once; tell what became of each.

    Raises
    ------
    StoreFull, StoreUnavailable
        The target takes no more; a later copy goes on from there.
    """
    waiting = iter(keys)
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        while chunk := list(islice(waiting, _CHUNK)):
            fates = pool.map(lambda key: _copy(key, source, target), chunk)
            yield from zip(chunk, fates, strict=True)


def set_aside_gone(source: ObjectStore, target: ObjectStore, at: datetime) -> int:
    """Set aside at the target what the source does not hold any more; count it.

    It was copied before and removed since: the database knows that it is gone.
    """
    moved = 0
    for key in missing(target, source):
        try:
            source.stored_at(key)
        except ObjectMissing:
            target.set_aside(key, at)
            moved += 1
    return moved


def _copy(key: str, source: ObjectStore, target: ObjectStore) -> Fate:
    try:
        with source.local(key) as path, path.open("rb") as stream:
            if hashlib.file_digest(stream, "sha256").hexdigest() != digest_of(key):
                return Fate.CORRUPT
            stream.seek(0)
            stored = target.put(stream)
    except ObjectMissing:
        return Fate.GONE
    except ObjectCorrupt:
        return Fate.CORRUPT
    if stored.key != key:
        raise StoreMismatch(f"object {key} changed while it was copied")
    return Fate.COPIED
