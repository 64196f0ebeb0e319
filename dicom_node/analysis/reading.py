"""Reading a film: what hostile bytes can hold up, swell or crash, as one call.

It is the part of the analysis that meets bytes nobody vouches for, so it runs in a
process of its own (``pool``); the model does not. The seam: submit a task, get the
film or the error that became of it.
"""

import hashlib
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import Protocol

from pydicom.dataset import Dataset

from dicom_node.dataset import frames
from dicom_node.dataset.part10_file import read_header_of
from dicom_node.worklist.eligibility import EligibilityRules, check
from inference.frame import Frame
from storage.errors import ObjectCorrupt


@dataclass(frozen=True, slots=True)
class ReadingTask:
    """A film to read.

    Parameters
    ----------
    path
        Its file.
    rules
        Which films are eligible; asked first, since what is not need not be decodable.
    sha256
        Digest that the file's bytes must have; ``None`` where nobody recorded one.
    """

    path: Path
    rules: EligibilityRules
    sha256: str | None = None


@dataclass(frozen=True, slots=True)
class ReadFilm:
    """A film as it was read.

    Parameters
    ----------
    dataset
        Its data set, without pixel data.
    frame
        The picture.
    """

    dataset: Dataset
    frame: Frame


Read = Callable[[ReadingTask], ReadFilm]


class Readers(Protocol):
    """Whoever reads films."""

    def submit(self, task: ReadingTask) -> Future[ReadFilm]:
        """Begin to read a film; its error is the future's."""
        ...


class ReadersHere:
    """Reads in this process when asked: for films that somebody vouches for."""

    def submit(self, task: ReadingTask) -> Future[ReadFilm]:
        """Read a film; see ``Readers.submit``."""
        done: Future[ReadFilm] = Future()
        try:
            done.set_result(read_film(task))
        except Exception as error:  # noqa: BLE001  it is the film's, as in any future
            done.set_exception(error)
        return done


def read_film(task: ReadingTask) -> ReadFilm:
    """Compare a film with its digest, ask whether it is eligible, and decode it.

    Raises
    ------
    ObjectCorrupt
        The bytes are not those that were stored.
    DatasetInvalid
        They are no DICOM object.
    NotEligible
        The header says that the film is not to be analysed.
    PixelsUndecodable
        There is no picture in them.
    """
    with task.path.open("rb") as stream:
        if task.sha256 is not None:
            _compare(stream, task.sha256)
        check(read_header_of(task.path), task.rules)
        return ReadFilm(*frames.read(stream))


def _compare(stream: BufferedReader, sha256: str) -> None:
    if hashlib.file_digest(stream, "sha256").hexdigest() != sha256:
        raise ObjectCorrupt("the stored image does not match its digest")
    stream.seek(0)
