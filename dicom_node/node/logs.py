"""What the log looks like: one sentence, then what it is about; JSON on request.

No patient attribute at any level: our own sentences hold none, tracebacks are
written without the error's text (libraries quote values there), and libraries that
print data sets are kept quiet.
"""

import json
import logging
import sys
import traceback
import warnings
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, TextIO

from dicom_node.errors import SettingsInvalid

SUBJECTS = ("action", "workitem", "instance", "destination", "model", "peer")
"""The ``extra`` fields that are shown."""
CHATTY = (
    "pydicom",
    "highdicom",
    "pynetdicom",
    "apscheduler",
    "uvicorn",
    "alembic",
    "httpx2",
    "httpcore2",
)


def configure(
    level: str,
    style: Literal["text", "json"],
    stream: TextIO | None = None,
    file: Path | None = None,
) -> None:
    """Send the log to standard error, or to a file; once more opens the file anew.

    Raises
    ------
    SettingsInvalid
        The file cannot be written; the log stays where it was.
    """
    handler = _handler(stream, file)
    handler.setFormatter(JsonLines() if style == "json" else Sentences())
    # A disk that is full for the log must not fill standard error with tracebacks.
    logging.raiseExceptions = False
    root = logging.getLogger()
    former, root.handlers[:] = root.handlers[:], [handler]
    for one in former:
        if isinstance(one, logging.FileHandler):
            one.close()
    root.setLevel(level)
    for name in CHATTY:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    # A warning about a malformed value would print the value, a patient's.
    warnings.filterwarnings("ignore", module=r"pydicom|highdicom|pynetdicom")


def try_file(file: Path | None) -> None:
    """See whether a log could be written there.

    Raises
    ------
    SettingsInvalid
        It could not.
    """
    _handler(None, file).close()


def _handler(stream: TextIO | None, file: Path | None) -> logging.Handler:
    if file is None:
        return logging.StreamHandler(stream or sys.stderr)
    try:
        return logging.FileHandler(file, encoding="utf-8")
    except OSError as error:
        raise SettingsInvalid(f"node.log_file: {file}: {error.strerror}") from error


def escaped(said: object, *, spaces: bool = False) -> str:
    """Write what peers said so that it stays what it is: a part of one line.

    A title or a UID with a line break would forge lines, a terminal's control
    sequences or letters that run the other way would hide them.

    Parameters
    ----------
    said
        What is to be shown.
    spaces
        Whether a space would forge a field.
    """
    return "".join(
        letter
        if letter.isprintable() and not (spaces and letter == " ")
        else letter.encode("unicode_escape").decode()
        if letter != " "
        else "\\x20"
        for letter in str(said)
    )


class _Frames(logging.Formatter):
    """Shows where an error was raised and of which class, not its text."""

    def formatException(self, ei: Any) -> str:  # noqa: N802  the library's name
        """Write the frames of the whole chain."""
        lines: list[str] = []
        error: BaseException | None = ei[1]
        while error is not None:
            lines += traceback.format_tb(error.__traceback__)
            lines.append(f"{type(error).__module__}.{type(error).__qualname__}\n")
            error = error.__cause__ or error.__context__
        return "".join(lines).rstrip()


class Sentences(_Frames):
    """``2026-11-21T10:00:00.000Z INFO A sentence. action=… workitem=…``."""

    def format(self, record: logging.LogRecord) -> str:
        """Write one record."""
        about = " ".join(
            f"{name}={escaped(getattr(record, name), spaces=True)}"
            for name in SUBJECTS
            if hasattr(record, name)
        )
        message = escaped(record.getMessage())
        head = f"{_instant(record)} {record.levelname} {message}"
        line = f"{head} {about}" if about else head
        if record.exc_info and record.exc_info[1]:
            line += "\n" + self.formatException(record.exc_info)
        return line


class JsonLines(_Frames):
    """One JSON object per line."""

    def format(self, record: logging.LogRecord) -> str:
        """Write one record."""
        line: dict[str, Any] = {
            "time": _instant(record),
            "level": record.levelname,
            "logger": record.name,
            "message": escaped(record.getMessage()),
        }
        for name in SUBJECTS:
            if hasattr(record, name):
                line[name] = escaped(getattr(record, name))
        if record.exc_info and record.exc_info[1]:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


def _instant(record: logging.LogRecord) -> str:
    at = datetime.fromtimestamp(record.created, UTC)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
