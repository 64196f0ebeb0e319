"""A process that reads films one after the other, and the way to it.

It is bounded in memory and time, and tells that it is ready only once it has read a
film that is known to be good. It ends when its node does, however that ends.
"""

import logging
import math
import multiprocessing
import os
import pickle
import resource
import signal
import warnings
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

from dicom_node.analysis.reading import Read, ReadFilm, ReadingTask
from dicom_node.dataset import frames
from dicom_node.errors import PixelsUndecodable, ReadersUnavailable

# Neither the threads of the node nor its open files: a server that was started clean
# forks each reader, so that a new one is there within milliseconds.
_PROCESSES = multiprocessing.get_context("forkserver")
_PRELOADED = ["__main__", __name__]
_READY = b"ready"
_START_S = 120.0
_GRACE_S = 5.0


@dataclass(frozen=True, slots=True)
class ReaderOptions:
    """How films are read.

    Parameters
    ----------
    readers
        How many at a time.
    memory_bytes
        What reading a film may take beyond the process itself.
    time_s
        How long it may take.
    """

    readers: int
    memory_bytes: int
    time_s: float


class ReaderEndedError(Exception):
    """The process did not survive a film, or did not finish it in time."""


class Reader:
    """A reader's process, as its node sees it.

    Parameters
    ----------
    options
        Its bounds.
    read
        What it does with a film.

    Raises
    ------
    ReadersUnavailable
        It cannot be started, or cannot read even a good film.
    """

    def __init__(self, options: ReaderOptions, read: Read) -> None:
        self._time_s = options.time_s
        _PROCESSES.set_forkserver_preload(_PRELOADED)
        self._here, there = _PROCESSES.Pipe()
        try:
            self._process = _PROCESSES.Process(
                target=_serve, args=(there, options, read), name="reader", daemon=True
            )
            self._process.start()
        except (OSError, EOFError) as error:
            self._here.close()
            raise ReadersUnavailable("no process for reading films starts") from error
        finally:
            there.close()
        self._await_ready()

    def read(self, task: ReadingTask) -> ReadFilm:
        """Let it read a film.

        Raises
        ------
        ReaderEndedError
            The process ended, or had to be ended.
        Exception
            Whatever became of the film.
        """
        try:
            self._here.send_bytes(pickle.dumps(task))
            if not self._here.poll(self._time_s):
                raise ReaderEndedError("it took too long")
            answer = pickle.loads(self._here.recv_bytes())  # noqa: S301  our own process
        except (OSError, EOFError) as error:
            raise ReaderEndedError("its process ended") from error
        if isinstance(answer, ReadFilm):
            return answer
        raise answer

    def kill(self) -> None:
        """End the process at once; whoever waits for it is told."""
        self._process.kill()

    def close(self) -> None:
        """End the process and forget it."""
        self._process.kill()
        self._process.join()
        self._here.close()

    def _await_ready(self) -> None:
        try:
            if self._here.poll(_START_S) and self._here.recv_bytes() == _READY:
                return
        except (OSError, EOFError):
            pass
        self.close()
        raise ReadersUnavailable("no process can read films")


def _serve(tasks: Connection, options: ReaderOptions, read: Read) -> None:
    """Read films until the node closes its end, or is gone."""
    _stay_alone()
    _bound(options.memory_bytes)
    _read_a_good_film()
    try:
        tasks.send_bytes(_READY)
    except (BrokenPipeError, ConnectionError):  # the node is gone already
        return
    while True:
        try:
            task = pickle.loads(tasks.recv_bytes())  # noqa: S301  our own node
        except (EOFError, OSError):
            return
        # Should the node be gone, nobody else ends a reading that does not end.
        signal.alarm(math.ceil(options.time_s + _GRACE_S))
        answer = _answer(read, task)
        signal.alarm(0)
        try:
            tasks.send_bytes(_pickled(answer))
        except (BrokenPipeError, ConnectionError):
            return


def _stay_alone() -> None:
    """Leave signals to the group to the node; say nothing of a film to anybody."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")  # the library's quote what lies in the file


def _bound(memory_bytes: int) -> None:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    limit = pages * os.sysconf("SC_PAGE_SIZE") + memory_bytes
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # it would hold a patient's film


def _answer(read: Read, task: ReadingTask) -> ReadFilm | Exception:
    try:
        return read(task)
    except MemoryError:
        return PixelsUndecodable("reading it takes more memory than is allowed")
    except Exception as error:  # noqa: BLE001  the node decides what follows
        return error


def _pickled(answer: ReadFilm | Exception) -> bytes:
    try:
        pickled = pickle.dumps(answer, protocol=pickle.HIGHEST_PROTOCOL)
        if isinstance(answer, Exception):
            pickle.loads(pickled)  # noqa: S301  not every error survives the way
    except MemoryError:
        return pickle.dumps(PixelsUndecodable("the picture takes too much memory"))
    except Exception as error:  # noqa: BLE001  any class may refuse in its own way
        return pickle.dumps(RuntimeError(type(error).__name__))
    return pickled


def _read_a_good_film() -> None:
    film = Dataset()
    film.file_meta = FileMetaDataset()
    film.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    film.Rows = film.Columns = 8
    film.SamplesPerPixel, film.PixelRepresentation = 1, 0
    film.PhotometricInterpretation = "MONOCHROME2"
    film.BitsAllocated, film.BitsStored, film.HighBit = 16, 12, 11
    film.PixelData = np.arange(64, dtype="<u2").tobytes()
    frames.read(film)
