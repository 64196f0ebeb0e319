"""Grayscale Softcopy Presentation State: outlines and one line of text, not burned in.

One per image (PS3.3 A.33.1, C.10.5). A presentation state replaces the image's whole
grey-scale pipeline, so it repeats the image's own Modality and VOI LUT and, for
MONOCHROME1, inverts: Photometric Interpretation is ignored under it (PS3.4 N.2.1.4).
"""

from highdicom.color import CIELabColor
from highdicom.pr import (
    AnnotationUnitsValues,
    GraphicAnnotation,
    GraphicLayer,
    GraphicObject,
    GraphicTypeValues,
    GrayscaleSoftcopyPresentationState,
    TextJustificationValues,
    TextObject,
)
from pydicom.dataset import Dataset
from pydicom.uid import DigitalXRayImageStorageForProcessing

from dicom_node.evidence.kinds import EvidenceKind
from dicom_node.evidence.outline import simplified
from dicom_node.evidence.subject import Subject
from dicom_node.evidence.wording import DISCLAIMER, headline
from inference.findings import Analysis, Region

_OPACITIES = GraphicLayer("AI_OPACITY", 1, "Opacities", CIELabColor(68, 32, 61))
_LUNGS = GraphicLayer("AI_LUNGS", 2, "Lungs", CIELabColor(76, -18, -24))
# Left, top, right, bottom as fractions of the displayed area.
_CAPTION_BOX = (0.02, 0.955, 0.98, 0.995)


def encode(subject: Subject, analysis: Analysis) -> Dataset | None:
    """Encode the outlines of findings and lungs.

    Returns
    -------
        The presentation state; ``None`` for an image for processing, which is not
        meant to be looked at.
    """
    clean, maker = subject.clean, subject.maker
    if _for_processing(clean):
        return None
    series_uid, series_number = subject.series(EvidenceKind.PRESENTATION_STATE)
    state = GrayscaleSoftcopyPresentationState(
        referenced_images=[_without_tables(clean)],
        series_instance_uid=series_uid,
        series_number=series_number,
        sop_instance_uid=subject.uid(EvidenceKind.PRESENTATION_STATE),
        instance_number=1,
        manufacturer=maker.manufacturer,
        manufacturer_model_name=maker.manufacturer_model_name,
        software_versions=maker.software_version,
        device_serial_number=maker.serial_number,
        content_label="AI_LUNG_OPACITY",
        content_description=DISCLAIMER,
        graphic_layers=[_OPACITIES, _LUNGS],
        graphic_annotations=_annotations(subject, analysis),
        series_description="AI CXR outlines (GSPS)",
    )
    _add_tables(state, clean)
    state.PresentationLUTShape = (
        "INVERSE" if clean.PhotometricInterpretation == "MONOCHROME1" else "IDENTITY"
    )
    state.BodyPartExamined = "CHEST"
    state.ContentCreatorName = maker.creator_name
    return subject.finish(state)


def _without_tables(clean: Dataset) -> Dataset:
    """Leave out lookup tables, which highdicom would drop or rebuild."""
    plain = Dataset()
    for element in clean:
        if element.keyword not in {"ModalityLUTSequence", "VOILUTSequence"}:
            plain.add(element)
    return plain


def _add_tables(state: Dataset, clean: Dataset) -> None:
    """Put in the source's own lookup tables, as they stand.

    A table rebuilt from its 16-bit words says 16 bits where the source said 12, and
    viewers would show the film sixteen times too dark (PS3.3 C.11.2.1.1).
    """
    if tables := clean.get("VOILUTSequence"):
        items = list(state.get("SoftcopyVOILUTSequence") or [Dataset()])
        for item in items:
            item.VOILUTSequence = tables
        state.SoftcopyVOILUTSequence = items
    if tables := clean.get("ModalityLUTSequence"):
        state.ModalityLUTSequence = tables


def _for_processing(clean: Dataset) -> bool:
    return bool(
        clean.SOPClassUID == DigitalXRayImageStorageForProcessing
        or clean.get("PresentationIntentType") == "FOR PROCESSING"
    )


def _annotations(subject: Subject, analysis: Analysis) -> list[GraphicAnnotation]:
    clean = subject.clean
    findings = [
        _polyline(subject, finding.region, f"opacity {number}")
        for number, finding in enumerate(analysis.findings, start=1)
    ]
    lungs = [
        _polyline(subject, lung.region, f"{lung.side.value} lung")
        for lung in analysis.lungs
    ]
    caption = TextObject(
        text_value=f"AI, not for primary diagnosis: {headline(analysis)}",
        units=AnnotationUnitsValues.DISPLAY,
        bounding_box=_CAPTION_BOX,
        text_justification=TextJustificationValues.LEFT,
    )
    return [
        GraphicAnnotation(
            [clean], _OPACITIES, graphic_objects=findings, text_objects=[caption]
        ),
        GraphicAnnotation([clean], _LUNGS, graphic_objects=lungs),
    ]


def _polyline(subject: Subject, region: Region, what: str) -> GraphicObject:
    identifier, uid = subject.tracking(what)
    return GraphicObject(
        graphic_type=GraphicTypeValues.POLYLINE,
        graphic_data=simplified(region),
        units=AnnotationUnitsValues.PIXEL,
        tracking_id=identifier,
        tracking_uid=uid,
    )
