"""All results of one image, checked, as Part 10 files.

``KINDS`` are the words of a destination's ``evidence`` setting; ``FALLBACKS`` what to
offer an archive that refuses one of them.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from io import BytesIO

from pydicom.dataset import Dataset

from dicom_node.dataset.normalise import normalise
from dicom_node.dataset.quiet import quiet
from dicom_node.errors import EvidenceInvalid
from dicom_node.evidence import presentation_state, segmentation
from dicom_node.evidence.check.objects import check, check_set
from dicom_node.evidence.pictures import encapsulated_pdf, secondary_capture
from dicom_node.evidence.report import measurement_report
from dicom_node.evidence.report.classes import CLASSES, turn_into
from dicom_node.evidence.subject import EvidenceContext
from inference.findings import Analysis
from inference.frame import Frame

Encoder = Callable[[Dataset, Frame, Analysis, EvidenceContext], Dataset | None]


@dataclass(frozen=True, slots=True)
class EncodedEvidence:
    """One finished result object.

    Parameters
    ----------
    kind
        A key of ``KINDS``.
    dataset
        The object, file meta included.
    content
        The same as a Part 10 file (PS3.10 section 7).
    """

    kind: str
    dataset: Dataset
    content: bytes


def _opacities(
    source: Dataset, _frame: Frame, analysis: Analysis, context: EvidenceContext
) -> Dataset | None:
    return segmentation.encode_opacities(source, analysis, context)


def _lungs(
    source: Dataset, _frame: Frame, analysis: Analysis, context: EvidenceContext
) -> Dataset:
    return segmentation.encode_lungs(source, analysis, context)


def _report(
    source: Dataset, _frame: Frame, analysis: Analysis, context: EvidenceContext
) -> Dataset:
    return measurement_report.encode(source, analysis, context)


def _report_as(kind: str) -> Encoder:
    """Write the very object that stands in where the usual class is refused."""

    def encode(
        source: Dataset, frame: Frame, analysis: Analysis, context: EvidenceContext
    ) -> Dataset:
        return turn_into(_report(source, frame, analysis, context), kind)

    return encode


def _presentation_state(
    source: Dataset, _frame: Frame, analysis: Analysis, context: EvidenceContext
) -> Dataset | None:
    return presentation_state.encode(source, analysis, context)


KINDS: Mapping[str, Encoder] = {
    segmentation.OPACITIES: _opacities,
    segmentation.LUNGS: _lungs,
    measurement_report.KIND: _report,
    presentation_state.KIND: _presentation_state,
    secondary_capture.KIND: secondary_capture.encode,
    encapsulated_pdf.KIND: encapsulated_pdf.encode,
    **{kind: _report_as(kind) for kind in CLASSES},
}

"""How each kind is made; ``None`` when it has nothing to say."""

FALLBACKS: Mapping[str, tuple[str, ...]] = {
    measurement_report.KIND: (
        *CLASSES,
        encapsulated_pdf.KIND,
    ),
    segmentation.OPACITIES: (presentation_state.KIND, secondary_capture.KIND),
    segmentation.LUNGS: (),
    presentation_state.KIND: (secondary_capture.KIND,),
    secondary_capture.KIND: (),
    encapsulated_pdf.KIND: (secondary_capture.KIND,),
}
"""The next best, in order, when an archive does not accept a kind's SOP class."""


def encode_all(
    kinds: Iterable[str],
    source: Dataset,
    frame: Frame,
    analysis: Analysis,
    context: EvidenceContext,
) -> list[EncodedEvidence]:
    """Encode and check the results of one image.

    Parameters
    ----------
    kinds
        Keys of ``KINDS``; a kind that has nothing to say yields no object.
    source
        The image's header as received.
    frame, analysis
        The picture and what was found on it.
    context
        Who, when, with which model.

    Raises
    ------
    EvidenceInvalid
        The source cannot be referred to, or an object failed its check.
    """
    clean = normalise(source)
    if (clean.Rows, clean.Columns) != (analysis.rows, analysis.columns):
        raise EvidenceInvalid("the analysis is not on the source's pixel grid")
    encoded = []
    known = _earlier(context) | {
        each.sop_instance_uid
        for each in measurement_report.segmentations(clean, analysis, context)
    }
    with quiet():  # the libraries' remarks on a header quote the patient
        for kind in kinds:
            dataset = KINDS[kind](source, frame, analysis, context)
            if dataset is not None:
                check(dataset, source, known)
                encoded.append(EncodedEvidence(kind, dataset, part_10(dataset)))
        check_set([item.dataset for item in encoded], source)
    return encoded


def _earlier(context: EvidenceContext) -> set[str]:
    """SOP Instance UIDs of the results before these that a report may name."""
    prior = context.prior or context.uncompared
    references = [*(prior.references if prior else ()), context.predecessor]
    return {each.sop_instance_uid for each in references if each is not None}


def part_10(dataset: Dataset) -> bytes:
    """Write an object as a file in memory."""
    stream = BytesIO()
    dataset.save_as(stream, enforce_file_format=True)
    return stream.getvalue()
