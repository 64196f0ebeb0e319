"""The reading door: headers as they arrive, and films as a reader's process has them.

A reader's process that ends is a finding here, though a node survives it.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from random import Random

from dicom_node.analysis.reader import Reader, ReaderEndedError, ReaderOptions
from dicom_node.analysis.reading import ReadingTask, read_film
from dicom_node.dataset.part10 import Arriving, read_file_meta
from dicom_node.dimse.presentation import TRANSFER_SYNTAXES
from dicom_node.errors import NodeError
from tests.factories.choices import rules
from tests.fuzz.films import films, good_film
from tests.fuzz.findings import Finding
from tests.fuzz.mutators import mutated
from tests.peers.receiving import Receiver, receiver

_SYNTAXES = sorted(TRANSFER_SYNTAXES)
_MEMORY_BYTES = 512 << 20
_TIME_S = 60.0


class Headers:
    """Data sets as they come over an association: a byte for the syntax, then they."""

    def __init__(self, receiver: Receiver) -> None:
        self._examine = receiver.reception._examine
        self._datasets = [_dataset(film) for film in films()]

    def make(self, chance: Random) -> bytes:
        """Change a data set, and read it perhaps as it is not meant."""
        data = mutated(chance.choice(self._datasets), chance, self._datasets)
        if chance.random() < 0.1:
            return bytes([chance.randrange(len(_SYNTAXES))]) + data[1:]
        return data

    def take(self, data: bytes) -> None:
        """Examine a header as one that arrives."""
        with suppress(NodeError):
            self._examine(BytesIO(data[1:]), _said_of(data))

    def is_well(self) -> None:
        """Examine a good header."""
        good = self._datasets[0]
        assert self._examine(BytesIO(good[1:]), _said_of(good)).not_eligible is None


def _dataset(film: bytes) -> bytes:
    stream = BytesIO(film)
    syntax = read_file_meta(stream).transfer_syntax_uid
    return bytes([_SYNTAXES.index(syntax)]) + stream.read()


def _said_of(data: bytes) -> Arriving:
    syntax = _SYNTAXES[data[0] % len(_SYNTAXES)] if data else _SYNTAXES[0]
    return replace(read_file_meta(BytesIO(films()[0])), transfer_syntax_uid=syntax)


class Films:
    """Files, read by a reader's process as the node does it."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "film.dcm"
        self._reader = self._start()
        self._rules = rules(minimum_size_px=16)

    def _start(self) -> Reader:
        return Reader(ReaderOptions(1, _MEMORY_BYTES, _TIME_S), read_film)

    def make(self, chance: Random) -> bytes:
        """Change a file."""
        return mutated(chance.choice(films()), chance, films())

    def take(self, data: bytes) -> None:
        """Read a film, pixels included."""
        self._path.write_bytes(data)
        try:
            self._reader.read(ReadingTask(self._path, self._rules))
        except NodeError:
            pass
        except ReaderEndedError as error:
            self._reader.close()
            self._reader = self._start()
            raise Finding(f"a reader's process: {error}") from error

    def is_well(self) -> None:
        """Read a good film."""
        self._path.write_bytes(good_film())
        self._reader.read(ReadingTask(self._path, self._rules))

    def close(self) -> None:
        """End the process."""
        self._reader.close()


@contextmanager
def headers(folder: Path) -> Iterator[Headers]:
    """The reader of headers."""
    with receiver(folder) as behind:
        yield Headers(behind)


@contextmanager
def pixels(folder: Path) -> Iterator[Films]:
    """A reader's process."""
    target = Films(folder)
    try:
        yield target
    finally:
        target.close()
