"""Takes objects of the store into a database that does not know them.

A database that is new, or an older copy put back, lacks what was received since. The
store has the bytes, and in their File Meta Information who sent them (DICOM PS3.10
7.1), so that they come in by the same way as when they arrived.
"""

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import islice

from dicom_node.dataset.part10 import read_file_meta
from dicom_node.errors import NodeError
from dicom_node.worklist.reception import Custody, Reception
from storage.catalog import retention
from storage.database import Database
from storage.errors import ObjectMissing
from storage.objects.protocol import ObjectStore, StoredObject

logger = logging.getLogger(__name__)

BEHIND = -1
"""Priority of what is analysed late anyway: what arrives goes first."""
_CHUNK = 500


@dataclass(slots=True)
class Adopted:
    """How many objects became what.

    Parameters
    ----------
    queued
        Images that will be analysed.
    recorded
        Images that are not analysed, and results of this node.
    known
        The database had them, or keeps them apart under a known UID.
    aside
        Nothing that was received here; kept beside the store.
    """

    queued: int = 0
    recorded: int = 0
    known: int = 0
    aside: int = 0


class Adoption:
    """Finds what the database lacks, and takes it in.

    Parameters
    ----------
    store, database
        What is there, and what is known.
    reception
        The way in.
    clock
        Aware UTC.
    """

    def __init__(
        self,
        store: ObjectStore,
        database: Database,
        reception: Reception,
        clock: Callable[[], datetime],
    ) -> None:
        self._store = store
        self._database = database
        self._reception = reception
        self._clock = clock

    def unknown(self) -> Iterator[str]:
        """Name every object that no row refers to."""
        keys = iter(self._store.keys())
        while chunk := list(islice(keys, _CHUNK)):
            with self._database.transaction(read_only=True) as tx:
                found = retention.unreferenced(tx, chunk)
            yield from sorted(found)

    def find(self) -> tuple[list[str], list[str]]:
        """Name what was made here and what was received and is not known.

        Results have no sender. They come first: an image that is analysed again then
        finds the very bytes that were sent before.
        """
        made: list[str] = []
        received: list[str] = []
        for key in self.unknown():
            kind = received if self._has_sender(key) else made
            kind.append(key)
        return made, received

    def take(
        self, keys: list[str], tell: Callable[[], object] = lambda: None
    ) -> Adopted:
        """Take objects in; ``tell`` is called after each.

        Raises
        ------
        DatabaseUnavailable
            The rest is taken in the next time.
        """
        adopted = Adopted()
        for key in keys:
            try:
                self._take(key, adopted)
            except ObjectMissing:
                logger.debug("An object went meanwhile.", extra={"action": "adopt"})
            tell()
        return adopted

    def _take(self, key: str, adopted: Adopted) -> None:
        with self._store.local(key) as path:
            stored = StoredObject(key, path.stat().st_size, key.rpartition("/")[2])
        try:
            at = self._store.stored_at(key)
            receipt = self._reception.adopt(stored, min(at, self._clock()), BEHIND)
        except NodeError as error:
            self._store.set_aside(key, self._clock())
            logger.warning(
                "An object of the store cannot be read and is set aside: %s.",
                error,
                extra={"action": "adopt"},
            )
            adopted.aside += 1
            return
        if receipt.custody is not Custody.STORED:
            adopted.known += 1
        elif receipt.not_eligible is None:
            adopted.queued += 1
        else:
            adopted.recorded += 1

    def _has_sender(self, key: str) -> bool:
        try:
            with self._store.open(key) as stream:
                return read_file_meta(stream).calling_ae != ""
        except (NodeError, ObjectMissing):
            return False
