"""Images to results, as straight calls: read, preprocess, infer, quantify, encode.

Pure but for reading the files, which readers do (``reading``). One image's trouble is
that image's alone: an error becomes its Failed, and a batch that the model refuses is
halved until the culprit stands alone. The worker and ``cxr-node analyze`` are its two
users.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import ParamSpec, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from dicom_node.analysis.past import Past
from dicom_node.analysis.reading import (
    Readers,
    ReadersHere,
    ReadFilm,
    ReadingTask,
)
from dicom_node.dataset.part10_file import read_header_of
from dicom_node.evidence import codes
from dicom_node.evidence.encode import (
    EncodedEvidence,
    encode_each,
    encode_not_analysable,
)
from dicom_node.evidence.kinds import EvidenceKind, FailedEvidence
from dicom_node.evidence.maker import Maker, Style
from dicom_node.evidence.subject import Subject
from dicom_node.worklist.eligibility import EligibilityRules, is_awaited
from inference.errors import ModelFailed, ModelUnreachable, OutOfMemory
from inference.findings import Analysis
from inference.frame import Frame
from inference.preprocess import Letterbox, preprocess
from inference.quantify import quantify
from inference.runners.runner import ModelRunner
from inference.tasks.opacity.prediction import Prediction
from inference.tasks.opacity.segment import segment
from inference.tasks.task import Outputs

logger = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Source:
    """An image to analyse.

    Parameters
    ----------
    path
        Its file.
    sha256
        Digest of the file's bytes; results are named after it.
    created_at
        The moment that stands in the results: a repeated run writes the same bytes.
    past
        What was said before.
    is_stored
        Whether that digest was recorded when the file was stored, so that the bytes
        are compared with it first.
    rules
        Which images are eligible, where others than the analyser's hold for it.
    """

    path: Path
    sha256: str
    created_at: datetime
    past: Past = Past()  # noqa: RUF009  a frozen value
    is_stored: bool = False
    rules: EligibilityRules | None = None


@dataclass(frozen=True, slots=True)
class Analyzed:
    """An image's results, and the kinds of them that could not be made."""

    dataset: Dataset
    frame: Frame
    analysis: Analysis
    evidence: tuple[EncodedEvidence, ...]
    subject: Subject
    failed: tuple[FailedEvidence, ...] = ()


@dataclass(frozen=True, slots=True)
class Failed:
    """Why an image has no results."""

    error: Exception


Conclusion = Analyzed | Failed


@dataclass(frozen=True, slots=True)
class _Prepared:
    source: Source
    dataset: Dataset
    frame: Frame
    tensor: NDArray[np.float32]
    letterbox: Letterbox


class Analyzer:
    """The model and everything around it.

    Parameters
    ----------
    runner
        The loaded model.
    rules
        Which images are eligible; those that came over the network were asked
        before, files on the command line were not.
    maker, style
        Who makes the results, and how the site wants them.
    kinds
        Kinds of result to encode.
    readers
        Who reads the files; nobody but this process unless said.
    """

    def __init__(
        self,
        runner: ModelRunner,
        rules: EligibilityRules,
        maker: Maker,
        style: Style,
        kinds: Sequence[EvidenceKind],
        readers: Readers | None = None,
    ) -> None:
        self._readers = readers or ReadersHere()
        self._runner = runner
        self._rules = rules
        self._maker = maker
        self._style = style
        self._kinds = tuple(kinds)
        self._largest_batch: int | None = None

    @property
    def maker(self) -> Maker:
        """Who makes the results."""
        return self._maker

    def explain(self, source: Source, code: str, text: str) -> EncodedEvidence | None:
        """Write a report that says why an awaited result does not come.

        Returns
        -------
        EncodedEvidence or None
            None when nobody waits for a result of such an image.

        Raises
        ------
        EvidenceInvalid
            The image cannot be referred to.
        """
        header = read_header_of(source.path)
        if not is_awaited(header, source.rules or self._rules):
            return None
        reason = codes.not_analysed(code, text)
        return encode_not_analysable(self._subject(source, header), reason, text)

    def analyze(self, sources: Sequence[Source]) -> Iterator[Conclusion]:
        """Analyse a batch; one conclusion for each source, in order, as it is ready."""
        readings = [self._submit(source) for source in sources]
        prepared = [
            _guarded(self._prepare, source, reading)
            for source, reading in zip(sources, readings, strict=True)
        ]
        good = [item for item in prepared if isinstance(item, _Prepared)]
        answers = iter(self._predict([item.tensor for item in good]))
        for item in prepared:
            if isinstance(item, Failed):
                yield item
                continue
            answer = next(answers)
            if isinstance(answer, Failed):
                yield answer
            else:
                yield _guarded(self._conclude, item, answer)

    def _submit(self, source: Source) -> Future[ReadFilm]:
        sha256 = source.sha256 if source.is_stored else None
        rules = source.rules or self._rules
        return self._readers.submit(ReadingTask(source.path, rules, sha256))

    def _prepare(self, source: Source, reading: Future[ReadFilm]) -> _Prepared:
        film = reading.result()
        size_px = self._runner.manifest.input_size_px
        tensor, letterbox = preprocess(film.frame, size_px)
        return _Prepared(source, film.dataset, film.frame, tensor, letterbox)

    def _predict(
        self, tensors: list[NDArray[np.float32]]
    ) -> Iterator[Outputs | Failed]:
        step = self._largest_batch or max(1, len(tensors))
        for start in range(0, len(tensors), step):
            yield from self._run(tensors[start : start + step])

    def _run(self, tensors: list[NDArray[np.float32]]) -> list[Outputs | Failed]:
        try:
            return list(self._runner.run(np.stack(tensors)))
        except ModelUnreachable as error:
            return [Failed(error)] * len(tensors)
        except ModelFailed as error:
            if len(tensors) == 1:
                return [Failed(error)]
            half = len(tensors) // 2
            if isinstance(error, OutOfMemory):
                self._largest_batch = half
            logger.warning(
                "The model refused a batch of %d; it is halved.",
                len(tensors),
                extra={"action": "halve-batch"},
            )
        return self._run(tensors[:half]) + self._run(tensors[half:])

    def _conclude(self, item: _Prepared, outputs: Outputs) -> Analyzed:
        manifest = self._runner.manifest
        prediction = Prediction.of(outputs)
        segmentation = segment(prediction, item.letterbox, item.frame, manifest)
        analysis = quantify(segmentation, item.frame, manifest)
        subject = self._subject(item.source, item.dataset)
        made = encode_each(self._kinds, subject, item.frame, analysis)
        return Analyzed(
            item.dataset, item.frame, analysis, made.evidence, subject, made.failed
        )

    def _subject(self, source: Source, header: Dataset) -> Subject:
        return Subject.of_image(
            header,
            sha256=source.sha256,
            created_at=source.created_at,
            maker=self._maker,
            style=self._style,
            earlier=source.past.earlier,
        )


def _guarded(step: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T | Failed:
    """Run one image's step; the worker's outermost edge, drawn around each image."""
    try:
        return step(*args, **kwargs)
    except Exception as error:  # noqa: BLE001  whatever it is, the others go on
        return Failed(error)
