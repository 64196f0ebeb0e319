"""Pictures that must be refused: those at hand, and films that arrive the wrong way."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from inference.frame import Frame
from inference.runners.runner import ModelRunner
from inference.training.data.dataset import ReadFrame, Sample
from inference.training.evaluation.serving import Look, look

Turn = Callable[[NDArray[np.float32]], NDArray[np.float32]]

SPOILT: Mapping[str, Turn] = {
    "inverted": lambda pixels: 1 - pixels,
    "upside down": lambda pixels: pixels[::-1],
    "on its side": lambda pixels: pixels.T,
}
SPOILT_FILMS = 20


def count_strangers(films: Sequence[Sample], strangers: Sequence[Sample]) -> int:
    """How many pictures ``look_at_strangers`` will yield."""
    return len(strangers) + len(SPOILT) * len(_chosen(films))


def look_at_strangers(
    runner: ModelRunner,
    films: Sequence[Sample],
    strangers: Sequence[Sample],
    read_frame: ReadFrame,
) -> Iterator[Look]:
    """Run the network on strangers, then on some films turned or inverted."""
    yield from look(runner, strangers, read_frame)
    for kind, turn in SPOILT.items():
        turned = [
            replace(one, source=kind, rows=0, columns=0) for one in _chosen(films)
        ]
        yield from look(runner, turned, _turned(read_frame, turn))


def _chosen(films: Sequence[Sample]) -> Sequence[Sample]:
    """Evenly spread, so that every source is among them."""
    return films[:: max(1, len(films) // SPOILT_FILMS)][:SPOILT_FILMS]


def _turned(read_frame: ReadFrame, turn: Turn) -> ReadFrame:
    def read(path: Path) -> Frame:
        return Frame(np.ascontiguousarray(turn(read_frame(path).pixels)))

    return read
