"""How a check ends: with a sentence, with a doubt, or with what is wrong."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from dicom_node.errors import NodeError
from inference.errors import InferenceError
from storage.errors import StorageError


class Verdict(StrEnum):
    """How a check ended."""

    GOOD = "ok"
    DOUBTFUL = "warning"
    BAD = "FAILED"


@dataclass(frozen=True, slots=True)
class Checked:
    """One line of the table."""

    name: str
    verdict: Verdict
    text: str


class Doubt(NodeError):
    """Nothing is broken, but somebody should look."""


class Wrong(NodeError):
    """What is wrong, where nothing else has said it."""


def run(name: str, check: Callable[[], str]) -> Checked:
    """Run one check: it returns a sentence, or raises what is wrong."""
    try:
        return Checked(name, Verdict.GOOD, check())
    except Doubt as doubt:
        return Checked(name, Verdict.DOUBTFUL, str(doubt))
    except (NodeError, InferenceError, StorageError) as error:
        return Checked(name, Verdict.BAD, " ".join(str(error).split()))
    except (OSError, ValueError) as error:
        place = getattr(error, "filename", None)
        words = getattr(error, "strerror", None) or error
        text = f"{place}: {words}" if place else str(words)
        return Checked(name, Verdict.BAD, " ".join(text.split()))
