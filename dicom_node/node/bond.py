"""Store and database belong together; a wrong or an older database costs no image.

Both hold the same identity. The store also holds a mark that only grows and that the
database remembers: one that remembers less is an older copy, and takes in what it
lacks before anything else happens. Decision 7 says why.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from itertools import islice

from dicom_node.worklist.adoption import Adopted, Adoption
from storage.catalog import binding
from storage.database import Database
from storage.errors import ObjectMissing, StoreFull, StoreMismatch
from storage.objects.mark import Mark, MarkPlace
from storage.objects.protocol import ObjectStore

logger = logging.getLogger(__name__)

_SAMPLE = 500
_WAY_OUT = (
    "put the right one back, or let the database take this store over with cxr-node"
    " adopt"
)


class Bond:
    """Holds a store and a database together.

    Parameters
    ----------
    file
        The store's mark.
    store, database
        The two.
    adoption
        Takes in what the database lacks.
    clock
        Aware UTC.
    monotonic
        Seconds that no one can set.
    """

    def __init__(
        self,
        file: MarkPlace,
        store: ObjectStore,
        database: Database,
        adoption: Adoption,
        clock: Callable[[], datetime],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._file = file
        self._store = store
        self._database = database
        self._adoption = adoption
        self._clock = clock
        self._monotonic = monotonic
        self._asked_at_s = monotonic()
        self._unknown: frozenset[str] = frozenset()

    def check(self) -> bool:
        """Look whether the two belong together; tell whether the database is older.

        Raises
        ------
        StoreMismatch
            They do not, or nobody can tell.
        """
        mark = self._file.read()
        with self._database.transaction(read_only=True) as tx:
            bound = binding.binding(tx)
        if bound is None:
            self._check_contents()
            return mark is not None
        if mark is None or mark.identity != bound.identity:
            raise StoreMismatch(
                f"the database belongs to another store than {self._file.where}:"
                f" {_WAY_OUT}"
            )
        return bound.generation < mark.generation

    def take_up(self) -> None:
        """Begin to work: check, take in what the database lacks, raise the mark.

        Raises
        ------
        StoreMismatch
            The two do not belong together; nothing was changed.
        """
        with self._file.locked():
            if is_older := self.check():
                logger.warning(
                    "The database is older than the store: it takes in what it lacks.",
                    extra={"action": "adopt"},
                )
            self._adopt_found(everything=is_older)
            self._raise_mark()

    def keep_up(self) -> None:
        """Raise the mark, as now and then and at the end: copies taken before are old.

        A database that was put back under a running node is noticed here.
        """
        try:
            with self._file.locked():
                if self.check():
                    self._adopt_found(everything=True)
                self._raise_mark()
        except StoreMismatch as error:
            logger.critical("Stop this node: %s.", error, extra={"action": "adopt"})

    def adopt_found(self) -> None:
        """Take in what was received and is not known at two looks; never in doubt.

        What is unknown at one look may be an image that is just being recorded.
        """
        with self._file.locked():
            is_older = self.check()
            before, self._unknown = self._unknown, frozenset(self._adoption.find()[1])
            if is_older or before & self._unknown:
                self._adopt_found(everything=is_older)

    def take_over(
        self, keys: list[str], tell: Callable[[], object] = lambda: None
    ) -> Adopted:
        """Let the database have this store, whatever it had before."""
        with self._file.locked():
            adopted = self._adoption.take(keys, tell)
            self._raise_mark()
        return adopted

    def believed(self) -> datetime:
        """Tell the time by which objects grow old; see :class:`Mark`."""
        with self._file.locked():
            mark = self._aged(self._file.read() or Mark.new(self._clock()))
            try:
                self._file.write(mark)
            except StoreFull:
                _tell_full()
        return mark.believed_at

    def _adopt_found(self, *, everything: bool) -> None:
        made, received = self._adoption.find()
        # Results alone are what a worker is just storing, or left when it died.
        if not received and not everything:
            return
        adopted = self._adoption.take(made + received)
        logger.warning(
            "The store held objects that the database did not know: %d images are"
            " queued, %d others recorded, %d set aside.",
            adopted.queued,
            adopted.recorded,
            adopted.aside,
            extra={"action": "adopt"},
        )

    def _raise_mark(self) -> None:
        mark = self._aged(self._file.read() or Mark.new(self._clock()))
        with self._database.transaction() as tx:
            bound = binding.binding(tx)
        known = bound.generation if bound else 0
        mark = replace(mark, generation=max(mark.generation, known) + 1)
        # The store first: whoever dies in between leaves a database that is behind,
        # which costs a look at the store and no more.
        try:
            self._file.write(mark)
            with self._database.transaction() as tx:
                binding.bind(tx, mark.identity, mark.generation)
        except StoreFull:
            _tell_full()

    def _aged(self, mark: Mark) -> Mark:
        now_s = self._monotonic()
        ran_s, self._asked_at_s = now_s - self._asked_at_s, now_s
        return mark.after(self._clock(), ran_s)

    def _check_contents(self) -> None:
        """Hold a database without identity against what the store holds.

        It is new, or of a release that knew no identities.
        """
        sample = list(islice(self._store.keys(), _SAMPLE))
        with self._database.transaction(read_only=True) as tx:
            knows = not sample or binding.knows_any(tx, sample)
            wanted = binding.referenced_keys(tx)
        if not knows:
            raise StoreMismatch(
                f"the database knows none of the objects in {self._file.where}:"
                f" {_WAY_OUT}"
            )
        if wanted and not any(map(self._holds, wanted)):
            raise StoreMismatch(
                f"{self._file.where} holds none of the objects that the database knows:"
                f" is the right disk mounted? Else {_WAY_OUT}"
            )

    def _holds(self, key: str) -> bool:
        try:
            self._store.stored_at(key)
        except ObjectMissing:
            return False
        return True


def _tell_full() -> None:
    logger.warning(
        "No room for the mark of the store; it is raised later.",
        extra={"action": "adopt"},
    )
