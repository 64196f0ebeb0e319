"""The kinds of evidence, one row each: what every neighbourhood must know of them.

The words stand in configuration files, in the database and in JSON. Only facts are
here, so that naming a kind loads no encoder; how each is made and checked: ``encode``.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from pydicom.uid import (
    UID,
    Comprehensive3DSRStorage,
    ComprehensiveSRStorage,
    EncapsulatedPDFStorage,
    EnhancedSRStorage,
    GrayscaleSoftcopyPresentationStateStorage,
    KeyObjectSelectionDocumentStorage,
    SecondaryCaptureImageStorage,
    SegmentationStorage,
)

LABEL_MAP_SEGMENTATION = UID("1.2.840.10008.5.1.4.1.1.66.7")
"""Label Map Segmentation Storage (PS3.4 B.5, Supplement 243)."""


class EvidenceKind(StrEnum):
    """What can be made of an image, or of its results."""

    SEGMENTATION = "segmentation"
    LUNG_SEGMENTATION = "lung-segmentation"
    LABEL_MAP = "label-map"
    MEASUREMENT_REPORT = "measurement-report"
    COMPREHENSIVE_REPORT = "measurement-report-comprehensive"
    ENHANCED_REPORT = "measurement-report-enhanced"
    PRESENTATION_STATE = "presentation-state"
    SECONDARY_CAPTURE = "secondary-capture"
    PDF = "pdf"
    REJECTION_NOTE = "rejection-note"


@dataclass(frozen=True, slots=True, kw_only=True)
class KindFacts:
    """The row of a kind.

    Parameters
    ----------
    sop_class
        Of its objects.
    order
        Added to the site's first Series Number.
    title
        What people call it in a list.
    usual
        Whether a receiver gets it that does not say what it wants.
    stand_ins
        The next best, in order, for a receiver that refuses the SOP class, unless its
        configuration says otherwise.
    rewrites
        The kind whose stored object becomes this one under another SOP class.
    on_request
        Whether a receiver may ask for it.
    """

    sop_class: UID
    order: int
    title: str
    usual: bool = False
    stand_ins: tuple[EvidenceKind, ...] = ()
    rewrites: EvidenceKind | None = None
    on_request: bool = True


KINDS: Mapping[EvidenceKind, KindFacts] = {
    EvidenceKind.SEGMENTATION: KindFacts(
        sop_class=SegmentationStorage,
        order=0,
        title="SEG, opacities",
        usual=True,
        stand_ins=(EvidenceKind.PRESENTATION_STATE,),
    ),
    EvidenceKind.LUNG_SEGMENTATION: KindFacts(
        sop_class=SegmentationStorage,
        order=1,
        title="SEG, lungs",
        usual=True,
        stand_ins=(EvidenceKind.PRESENTATION_STATE,),
    ),
    EvidenceKind.LABEL_MAP: KindFacts(
        sop_class=LABEL_MAP_SEGMENTATION,
        order=7,
        title="SEG, label map",
        stand_ins=(EvidenceKind.SEGMENTATION, EvidenceKind.PRESENTATION_STATE),
    ),
    EvidenceKind.MEASUREMENT_REPORT: KindFacts(
        sop_class=Comprehensive3DSRStorage,
        order=2,
        title="SR",
        usual=True,
        stand_ins=(EvidenceKind.COMPREHENSIVE_REPORT, EvidenceKind.ENHANCED_REPORT),
    ),
    EvidenceKind.COMPREHENSIVE_REPORT: KindFacts(
        sop_class=ComprehensiveSRStorage,
        order=2,
        title="SR, Comprehensive",
        rewrites=EvidenceKind.MEASUREMENT_REPORT,
    ),
    EvidenceKind.ENHANCED_REPORT: KindFacts(
        sop_class=EnhancedSRStorage,
        order=2,
        title="SR, Enhanced",
        rewrites=EvidenceKind.MEASUREMENT_REPORT,
    ),
    EvidenceKind.PRESENTATION_STATE: KindFacts(
        sop_class=GrayscaleSoftcopyPresentationStateStorage,
        order=3,
        title="GSPS",
        usual=True,
    ),
    EvidenceKind.SECONDARY_CAPTURE: KindFacts(
        sop_class=SecondaryCaptureImageStorage, order=4, title="SC"
    ),
    EvidenceKind.PDF: KindFacts(sop_class=EncapsulatedPDFStorage, order=5, title="PDF"),
    EvidenceKind.REJECTION_NOTE: KindFacts(
        sop_class=KeyObjectSelectionDocumentStorage,
        order=6,
        title="KO, rejection note",
        on_request=False,
    ),
}

ON_REQUEST = tuple(kind for kind, facts in KINDS.items() if facts.on_request)
"""What a receiver may ask for."""

USUAL = tuple(kind for kind, facts in KINDS.items() if facts.usual)
"""What a receiver gets that does not say."""

STAND_INS: Mapping[EvidenceKind, tuple[EvidenceKind, ...]] = {
    kind: facts.stand_ins for kind, facts in KINDS.items() if facts.stand_ins
}
"""What stands in where the configuration says nothing."""

REWRITTEN = tuple(kind for kind, facts in KINDS.items() if facts.rewrites)
"""What is written from the stored object of another kind when it is needed."""

REPORTS = (EvidenceKind.MEASUREMENT_REPORT, *REWRITTEN)
"""The report, whatever its SOP class."""


@dataclass(frozen=True, slots=True)
class FailedEvidence:
    """A kind of result that could not be made of an analysis; the others were.

    Parameters
    ----------
    kind
        Which.
    reason
        Why, in words without a patient attribute.
    """

    kind: EvidenceKind
    reason: str
