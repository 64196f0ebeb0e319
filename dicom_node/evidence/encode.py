"""Evidence, encoded and checked, as Part 10 files.

One row for each kind says how it is made and what it must hold beyond what every
object holds; what a kind is: ``kinds``.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from pydicom.dataset import Dataset
from pydicom.sr.coding import Code

from dicom_node.dataset.quiet import quiet
from dicom_node.errors import EvidenceInvalid
from dicom_node.evidence import (
    codes,
    presentation_state,
    rejection_note,
    segmentation,
)
from dicom_node.evidence.check import objects, own
from dicom_node.evidence.kinds import EvidenceKind, FailedEvidence
from dicom_node.evidence.part10_writer import part_10
from dicom_node.evidence.past import ObjectReference
from dicom_node.evidence.pictures import encapsulated_pdf, secondary_capture
from dicom_node.evidence.report import measurement_report, not_analysable
from dicom_node.evidence.report.classes import turn_into
from dicom_node.evidence.subject import Subject
from inference.findings import Analysis
from inference.frame import Frame

Encoder = Callable[[Subject, Frame, Analysis], Dataset | None]


@dataclass(frozen=True, slots=True)
class EncodedEvidence:
    """One finished result object.

    Parameters
    ----------
    kind
        What it is.
    dataset
        The object, file meta included.
    content
        The same as a Part 10 file (PS3.10 section 7).
    """

    kind: EvidenceKind
    dataset: Dataset
    content: bytes


@dataclass(frozen=True, slots=True)
class Encoding:
    """The results of one image.

    Parameters
    ----------
    evidence
        What was made.
    failed
        The kinds that could not be made, and why.
    """

    evidence: tuple[EncodedEvidence, ...]
    failed: tuple[FailedEvidence, ...] = ()


@dataclass(frozen=True, slots=True)
class Making:
    """The row of a kind that is made of an analysis.

    Parameters
    ----------
    encode
        Makes the object; ``None`` when it has nothing to say.
    check
        Defects of an object whose attributes are all there.
    """

    encode: Encoder
    check: own.OwnCheck


def _without_frame(encode: Callable[[Subject, Analysis], Dataset | None]) -> Encoder:
    return lambda subject, _frame, analysis: encode(subject, analysis)


def _report_as(kind: EvidenceKind) -> Making:
    """Write the very object that stands in where the usual class is refused."""

    def encode(subject: Subject, analysis: Analysis) -> Dataset:
        return turn_into(measurement_report.encode(subject, analysis), kind)

    return Making(_without_frame(encode), own.report)


MAKING: Mapping[EvidenceKind, Making] = {
    EvidenceKind.SEGMENTATION: Making(
        _without_frame(segmentation.encode_opacities), own.segmentation
    ),
    EvidenceKind.LUNG_SEGMENTATION: Making(
        _without_frame(segmentation.encode_lungs), own.segmentation
    ),
    EvidenceKind.LABEL_MAP: Making(
        _without_frame(segmentation.encode_label_map), own.label_map
    ),
    EvidenceKind.MEASUREMENT_REPORT: Making(
        _without_frame(measurement_report.encode), own.report
    ),
    EvidenceKind.PRESENTATION_STATE: Making(
        _without_frame(presentation_state.encode), own.presentation_state
    ),
    EvidenceKind.SECONDARY_CAPTURE: Making(
        secondary_capture.encode, own.secondary_capture
    ),
    EvidenceKind.PDF: Making(encapsulated_pdf.encode, own.pdf),
    EvidenceKind.COMPREHENSIVE_REPORT: _report_as(EvidenceKind.COMPREHENSIVE_REPORT),
    EvidenceKind.ENHANCED_REPORT: _report_as(EvidenceKind.ENHANCED_REPORT),
}
"""How each kind is made of an analysis."""


def encode_all(
    kinds: Iterable[EvidenceKind],
    subject: Subject,
    frame: Frame,
    analysis: Analysis,
) -> list[EncodedEvidence]:
    """Encode and check the results of one image: all of them, or none.

    Parameters
    ----------
    kinds, subject, frame, analysis
        See :func:`encode_each`.

    Raises
    ------
    EvidenceInvalid
        The analysis is of another image, or an object failed its check.
    """
    return list(_encode(kinds, subject, frame, analysis, fail=_raised).evidence)


def encode_each(
    kinds: Iterable[EvidenceKind],
    subject: Subject,
    frame: Frame,
    analysis: Analysis,
) -> Encoding:
    """Encode and check the results of one image; a kind that fails fails alone.

    Parameters
    ----------
    kinds
        Of ``MAKING``; a kind that has nothing to say yields no object.
    subject
        The image, and who speaks of it.
    frame, analysis
        The picture and what was found on it.

    Raises
    ------
    EvidenceInvalid
        The analysis is of another image, or the objects are not one set.
    Exception
        Why the first kind failed, when nothing at all could be made.
    """
    errors: list[Exception] = []
    encoding = _encode(kinds, subject, frame, analysis, fail=errors.append)
    if errors and not encoding.evidence:
        raise errors[0]
    return encoding


def _raised(error: Exception) -> None:
    raise error


def _encode(
    kinds: Iterable[EvidenceKind],
    subject: Subject,
    frame: Frame,
    analysis: Analysis,
    *,
    fail: Callable[[Exception], None],
) -> Encoding:
    clean = subject.clean
    if (clean.Rows, clean.Columns) != (analysis.rows, analysis.columns):
        raise EvidenceInvalid("the analysis is not on the source's pixel grid")
    encoded: list[EncodedEvidence] = []
    failed: list[FailedEvidence] = []
    with quiet():  # the libraries' remarks on a header quote the patient
        for kind in kinds:
            try:
                dataset = MAKING[kind].encode(subject.apart(), frame, analysis)
                if dataset is not None:
                    encoded.append(
                        _finished(kind, dataset, subject, subject.earlier.uids)
                    )
            except MemoryError:
                raise  # the machine's trouble, not this kind's
            except Exception as error:  # noqa: BLE001  the other kinds are not to blame
                fail(error)
                failed.append(FailedEvidence(kind, _why(error)))
        objects.check_set([item.dataset for item in encoded], clean)
    return Encoding(tuple(encoded), tuple(failed))


def _why(error: Exception) -> str:
    """Say it without what libraries quote: their errors name attribute values."""
    if isinstance(error, EvidenceInvalid):
        return str(error)
    return f"an unforeseen error ({type(error).__name__})"


def encode_not_analysable(subject: Subject, reason: Code, text: str) -> EncodedEvidence:
    """Encode and check the report that says why an image has no results.

    Raises
    ------
    EvidenceInvalid
        It is not fit to send.
    """
    kind = EvidenceKind.MEASUREMENT_REPORT
    with quiet():
        dataset = not_analysable.encode(subject.apart(), reason, text)
        return _finished(kind, dataset, subject, subject.earlier.uids)


def encode_rejection_note(
    subject: Subject,
    rejected: Sequence[ObjectReference],
    reason: str,
    title: Code = codes.REJECTED_FOR_QUALITY,
) -> EncodedEvidence:
    """Encode and check the note that calls results of one study back.

    Raises
    ------
    EvidenceInvalid
        Not all of them are of the subject's study, or the note is not fit to send.
    """
    with quiet():
        dataset = rejection_note.encode(subject.apart(), rejected, reason, title)
        known = {one.sop_instance_uid for one in rejected}
        return _finished(EvidenceKind.REJECTION_NOTE, dataset, subject, known)


def check(
    kind: EvidenceKind, dataset: Dataset, subject: Subject, known: Collection[str] = ()
) -> None:
    """Refuse an object that is not fit to send.

    Parameters
    ----------
    kind
        What it is to be.
    dataset
        The object, as it will be written.
    subject
        The image that it speaks of.
    known
        SOP Instance UIDs of other objects that it may refer to; beside them it may
        refer to the image's other results.

    Raises
    ------
    EvidenceInvalid
        With every defect found; no patient attribute.
    """
    making = MAKING.get(kind)
    own_results = {subject.uid(each) for each in MAKING}
    objects.check(
        dataset,
        subject.clean,
        making.check if making else None,
        own_results.union(known),
    )


def _finished(
    kind: EvidenceKind, dataset: Dataset, subject: Subject, known: Collection[str]
) -> EncodedEvidence:
    check(kind, dataset, subject, known)
    return EncodedEvidence(kind, dataset, part_10(dataset))
