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

from dicom_node.dataset.film.pixel_shape import aspect_of
from dicom_node.evidence.kinds import EvidenceKind
from dicom_node.evidence.outline import simplified
from dicom_node.evidence.subject import Subject
from dicom_node.evidence.wording.disclaimer import DISCLAIMER
from dicom_node.evidence.wording.sentences import (
    BEHIND_THE_HEART,
    comparison,
    context,
    finding_lines,
    headline,
)
from inference.findings import Analysis, Call, Region

_OPACITIES = GraphicLayer("AI_OPACITY", 1, "Opacities", CIELabColor(68, 32, 61))
_POSSIBLE = GraphicLayer("AI_OPACITY", 1, "Possible opacities", CIELabColor(80, 3, 20))
_LUNGS = GraphicLayer("AI_LUNGS", 2, "Lungs", CIELabColor(76, -18, -24))
# As fractions of the displayed area: the caption's sides, its foot, a line of it.
_LEFT, _RIGHT, _FOOT, _LINE = 0.02, 0.98, 0.995, 0.03
_FINE = 1000  # an aspect ratio is of whole numbers
_MOST_LINES, _MOST_LETTERS = 12, 1024  # ST holds no more (PS3.5 6.2)


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
        graphic_layers=[_layer(analysis.call), _LUNGS],
        graphic_annotations=_annotations(subject, analysis),
        series_description=subject.series_description("AI CXR outlines (GSPS)"),
    )
    _add_tables(state, clean)
    _add_shape(state, subject.source)
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


def _add_shape(state: Dataset, source: Dataset) -> None:
    """Say how tall pixels are: shown as squares, others squash the film (C.10.4)."""
    aspect = aspect_of(source) or 1.0
    if aspect != 1.0:
        for area in state.DisplayedAreaSelectionSequence:
            area.PresentationPixelAspectRatio = [round(aspect * _FINE), _FINE]


def _for_processing(clean: Dataset) -> bool:
    return bool(
        clean.SOPClassUID == DigitalXRayImageStorageForProcessing
        or clean.get("PresentationIntentType") == "FOR PROCESSING"
    )


def _annotations(subject: Subject, analysis: Analysis) -> list[GraphicAnnotation]:
    clean = subject.clean
    findings = [
        _drawn(_polyline(subject, finding.region, f"opacity {number}"), analysis.call)
        for number, finding in enumerate(analysis.findings, start=1)
    ]
    lungs = [
        _polyline(subject, lung.region, f"{lung.side.value} lung")
        for lung in analysis.lungs
    ]
    lines = _caption(subject, analysis)
    caption = TextObject(
        text_value="\r\n".join(lines)[:_MOST_LETTERS],
        units=AnnotationUnitsValues.DISPLAY,
        bounding_box=(_LEFT, _FOOT - _LINE * len(lines), _RIGHT, _FOOT),
        text_justification=TextJustificationValues.LEFT,
    )
    layer = _layer(analysis.call)
    return [
        GraphicAnnotation(
            [clean],
            layer,
            graphic_objects=findings,
            text_objects=[caption, *_numbers(analysis)],
        ),
        GraphicAnnotation([clean], _LUNGS, graphic_objects=lungs),
    ]


def _drawn(graphic: GraphicObject, call: Call) -> GraphicObject:
    """Dash the outline of what is possible only (PS3.3 C.10.5.1.2, Line Style)."""
    if call is not Call.OPACITY:
        style = Dataset()
        style.PatternOnColorCIELabValue = (
            _POSSIBLE.GraphicLayerRecommendedDisplayCIELabValue
        )
        style.PatternOnOpacity = 1.0
        style.LineThickness = 1.0
        style.LineDashingStyle = "DASHED"
        style.LinePattern = 0xFF00
        style.ShadowStyle = "OFF"
        style.ShadowOffsetX = style.ShadowOffsetY = 0.0
        style.ShadowColorCIELabValue = [0, 32896, 32896]
        style.ShadowOpacity = 0.0
        graphic.LineStyleSequence = [style]
    return graphic


def _layer(call: Call) -> GraphicLayer:
    return _OPACITIES if call is Call.OPACITY else _POSSIBLE


def _caption(subject: Subject, analysis: Analysis) -> list[str]:
    """Write the lines below the film: the call first."""
    lines = [
        f"AI, not for primary diagnosis: {headline(analysis)}",
        *finding_lines(analysis),
        comparison(analysis, subject) or "",
        *context(subject),
        BEHIND_THE_HEART,
    ]
    kept = [line for line in lines if line]
    if len(kept) <= _MOST_LINES:
        return kept
    return [*kept[: _MOST_LINES - 1], "The rest stands in the report."]


def _numbers(analysis: Analysis) -> list[TextObject]:
    """Write each finding's number where its outline is highest."""
    found = []
    for number, finding in enumerate(analysis.findings, start=1):
        points = simplified(finding.region)
        column, row = points[int(points[:, 1].argmin())]
        found.append(
            TextObject(
                text_value=str(number),
                units=AnnotationUnitsValues.PIXEL,
                anchor_point=(float(column), float(row)),
                anchor_point_visible=False,
            )
        )
    return found


def _polyline(subject: Subject, region: Region, what: str) -> GraphicObject:
    identifier, uid = subject.tracking(what)
    return GraphicObject(
        graphic_type=GraphicTypeValues.POLYLINE,
        graphic_data=simplified(region),
        units=AnnotationUnitsValues.PIXEL,
        tracking_id=identifier,
        tracking_uid=uid,
    )
