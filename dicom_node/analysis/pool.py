"""A pool of processes in which films are read, so that a death costs one film at most.

Each process reads one film at a time: who stood beside a film that crashed is not
harmed, and not suspected. A film whose process ended is tried again at once, alone in
a new process; only if that ends too, and yet another one reads a good film, is it said
to end its process. What ends the node as a whole proves nothing about any film.
"""

import logging
import threading
from concurrent.futures import Future, ThreadPoolExecutor

from dicom_node.analysis.reader import Reader, ReaderEndedError, ReaderOptions
from dicom_node.analysis.reading import Read, ReadFilm, ReadingTask, read_film
from dicom_node.errors import ProcessLost, ReadersUnavailable

logger = logging.getLogger(__name__)


class ReaderPool:
    """Reads films in processes, which start with the first one.

    Parameters
    ----------
    options
        How many, and their bounds.
    read
        What they do with a film.
    """

    def __init__(self, options: ReaderOptions, read: Read = read_film) -> None:
        self._options = options
        self._read = read
        self._threads = ThreadPoolExecutor(options.readers, "reading")
        self._lock = threading.Lock()
        self._idle: list[Reader] = []
        self._all: set[Reader] = set()
        self._closed = False

    def submit(self, task: ReadingTask) -> Future[ReadFilm]:
        """Begin to read a film; see ``Readers.submit``.

        Raises, besides what ``read`` does, in the future:

        ProcessLost
            Reading this film alone ended its process, while others read well.
        ReadersUnavailable
            No process can read at this moment; no film is to blame.
        """
        try:
            return self._threads.submit(self._film, task)
        except RuntimeError:  # closed meanwhile
            refused: Future[ReadFilm] = Future()
            refused.set_exception(_closing())
            return refused

    def warm(self) -> None:
        """Start a process in the background, so that the first film need not wait."""
        self._threads.submit(self._warm)

    def close(self) -> None:
        """End all processes at once; what is being read counts as not read."""
        with self._lock:
            self._closed = True
            left = list(self._all)
        # What waits is not taken back: it ends by itself, with a word for its worker.
        self._threads.shutdown(wait=False)
        for reader in left:
            reader.kill()

    def _warm(self) -> None:
        try:
            self._put_back(self._take())
        except ReadersUnavailable as error:
            logger.warning("%s.", error, extra={"action": "read"})

    def _film(self, task: ReadingTask) -> ReadFilm:
        try:
            return self._read_with(self._take(), task)
        except ReaderEndedError as error:
            logger.warning(
                "A process that read a film is gone (%s); the film is tried alone.",
                error,
                extra={"action": "read"},
            )
        try:
            return self._read_with(self._start(), task)
        except ReaderEndedError as error:
            # If this fails, it is not the film that is broken.
            self._put_back(self._start())
            raise ProcessLost(
                f"reading this image alone ended its process: {error}"
            ) from None

    def _read_with(self, reader: Reader, task: ReadingTask) -> ReadFilm:
        try:
            film = reader.read(task)
        except ReaderEndedError:
            self._end(reader)
            if self._closed:
                raise _closing() from None
            raise
        except BaseException:
            self._put_back(reader)
            raise
        self._put_back(reader)
        return film

    def _take(self) -> Reader:
        with self._lock:
            if self._idle:
                return self._idle.pop()
        return self._start()

    def _start(self) -> Reader:
        if self._closed:
            raise _closing()
        reader = Reader(self._options, self._read)
        with self._lock:
            self._all.add(reader)
            closed_meanwhile = bool(self._closed)
        if closed_meanwhile:
            self._end(reader)
            raise _closing()
        return reader

    def _put_back(self, reader: Reader) -> None:
        with self._lock:
            keep = not self._closed and len(self._idle) < self._options.readers
            if keep:
                self._idle.append(reader)
        if not keep:
            self._end(reader)

    def _end(self, reader: Reader) -> None:
        with self._lock:
            self._all.discard(reader)
        reader.close()


def _closing() -> ReadersUnavailable:
    return ReadersUnavailable("the readers are being closed")
