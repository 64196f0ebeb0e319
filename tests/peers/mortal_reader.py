"""What a reader's process does with a film in tests: it dies where the film says so.

It is importable by name, so that a process of its own finds it.
"""

import os
import signal
import threading

from dicom_node.analysis.reading import ReadFilm, ReadingTask, read_film
from dicom_node.dataset.attributes import text
from dicom_node.dataset.part10_file import read_header_of

ABORTS, KILLED, DIES_ONCE, HANGS, SWELLS = (
    "ABORTS",
    "KILLED",
    "DIES ONCE",
    "HANGS",
    "SWELLS",
)


def read(task: ReadingTask) -> ReadFilm:
    """Read a film as the product does, unless its Study Description says otherwise."""
    match text(read_header_of(task.path), "StudyDescription"):
        case "ABORTS":
            os.abort()
        case "KILLED":
            os.kill(os.getpid(), signal.SIGKILL)
        case "DIES ONCE":
            seen = task.path.with_suffix(".seen")
            if not seen.exists():
                seen.touch()
                os._exit(1)
        case "HANGS":
            threading.Event().wait()
        case "SWELLS":
            bytearray(1 << 40)
    return read_film(task)


class NeverStarts:
    """Ends the process that is to learn what it shall do."""

    def __call__(self, task: ReadingTask) -> ReadFilm:
        raise AssertionError(task)

    def __reduce__(self) -> object:
        return os._exit, (1,)


def refuse_everything(task: ReadingTask) -> ReadFilm:
    """Answer with an error that does not survive the way between processes."""
    raise _Stubborn(task.path, threading.Lock())


class _Stubborn(Exception):
    def __init__(self, *args: object) -> None:
        super().__init__(*args)
