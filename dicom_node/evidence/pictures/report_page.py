"""The report as a page for people: film, numbers, findings, what made them.

A4, dark on white, type embedded; the same sentences as the measurement report.
"""

from collections.abc import Sequence
from io import BytesIO

from pydicom.dataset import Dataset
from reportlab.lib.colors import Color, HexColor
from reportlab.lib.enums import TA_RIGHT
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.platypus import (
    Flowable,
    HRFlowable,
    Image,
    Paragraph,
    SimpleDocTemplate,
    Spacer,
    Table,
)

from dicom_node.evidence.pictures import letters
from dicom_node.evidence.pictures.overlay import draw_film
from dicom_node.evidence.subject import Subject
from dicom_node.evidence.wording.disclaimer import DISCLAIMER
from dicom_node.evidence.wording.moments import stamp
from dicom_node.evidence.wording.numbers import (
    measured,
    percent,
    probability,
    square_centimetres,
)
from dicom_node.evidence.wording.sentences import (
    CALLS,
    NOT_OUTLINED,
    comparison,
    doubt,
    notes,
    noun,
)
from inference.findings import Analysis, Call, Zone
from inference.frame import Frame

TITLE = "AI lung opacity report"
_INK = HexColor("#1b222b")
_QUIET = HexColor("#67727f")
_WARM = HexColor("#c4621c")
_SAND = HexColor("#8a7350")
_RULE = HexColor("#d5dae0")
_FILM_WIDTH = 104 * mm
_FILM_HEIGHT = 112 * mm
_FILM_PX = 1400
_MINUTES = 4  # digits of HHMM
_FRAME_PADDING = 6  # of the platform, in points
_FLUSH = ("LEFTPADDING", (0, 0), (-1, -1), 0)


def page(subject: Subject, frame: Frame, analysis: Analysis) -> bytes:
    """Lay out the report as PDF; the same input gives the same bytes."""
    stream = BytesIO()
    document = SimpleDocTemplate(
        stream,
        pagesize=A4,
        leftMargin=18 * mm - _FRAME_PADDING,
        rightMargin=18 * mm - _FRAME_PADDING,
        topMargin=16 * mm,
        bottomMargin=16 * mm,
        title=TITLE,
        author=subject.maker.product,
        invariant=1,
    )
    document.build(story(subject, frame, analysis))
    return stream.getvalue()


def story(subject: Subject, frame: Frame, analysis: Analysis) -> list[Flowable]:
    """Put together what stands on the page, from the top."""
    letters.register()
    return [
        *_head(subject),
        *_call(analysis, subject),
        _film_and_numbers(frame, analysis),
        Spacer(0, 4 * mm),
        *_findings(analysis),
        *(_text(line, _style(9)) for line in notes(analysis, subject)),
        *_foot(subject),
    ]


def _style(
    size: float, color: Color = _INK, weight: str = "Regular", *, right: bool = False
) -> ParagraphStyle:
    return ParagraphStyle(
        f"{weight}-{size}",
        fontName=f"Roboto-{weight}",
        fontSize=size,
        leading=size * 1.35,
        textColor=color,
        **({"alignment": TA_RIGHT} if right else {}),
    )


def _text(text: str, style: ParagraphStyle) -> Paragraph:
    safe = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return Paragraph(safe, style)


def _head(subject: Subject) -> list[Flowable]:
    clean = subject.clean
    title = Table(
        [
            [
                _text(TITLE, _style(18, weight="Light")),
                _text(DISCLAIMER, _style(10, _WARM, "Medium", right=True)),
            ]
        ],
        colWidths=[90 * mm, 84 * mm],
        style=[
            _FLUSH,
            ("RIGHTPADDING", (-1, 0), (-1, -1), 0),
            ("VALIGN", (0, 0), (-1, -1), "BOTTOM"),
        ],
    )
    cells = (
        ("Patient", letters.person(clean.PatientName)),
        ("Patient ID", letters.shown(str(clean.PatientID or ""))),
        ("Birth date", letters.shown(_day(clean.PatientBirthDate))),
        ("Sex", letters.shown(str(clean.PatientSex or ""))),
        ("Study", letters.shown(f"{_day(clean.StudyDate)} {_time(clean)}".strip())),
        ("Accession number", letters.shown(str(clean.AccessionNumber or ""))),
    )
    rows = [[_pair(*cell) for cell in cells[start : start + 3]] for start in (0, 3)]
    patient = Table(
        rows,
        colWidths=[58 * mm] * 3,
        style=[_FLUSH, ("VALIGN", (0, 0), (-1, -1), "TOP")],
    )
    rule = HRFlowable(width="100%", color=_RULE, spaceBefore=3, spaceAfter=4)
    return [title, rule, patient, rule]


def _pair(name: str, value: tuple[str, str]) -> list[Flowable]:
    text, type_ = value
    style = ParagraphStyle(type_, parent=_style(10), fontName=type_)
    return [_text(name, _style(7.5, _QUIET)), _text(text, style)]


def _day(value: object) -> str:
    digits = str(value or "")
    return f"{digits[:4]}-{digits[4:6]}-{digits[6:8]}" if digits else ""


def _time(clean: Dataset) -> str:
    digits = str(clean.StudyTime or "")
    return f"{digits[:2]}:{digits[2:4]}" if len(digits) >= _MINUTES else ""


def _call(analysis: Analysis, subject: Subject) -> list[Flowable]:
    """Say first what the film is called, how surely, and what has changed."""
    colour = {Call.OPACITY: _WARM, Call.POSSIBLE: _SAND, Call.NONE: _INK}
    said = CALLS[analysis.call]
    if analysis.call is not Call.NONE and not analysis.findings:
        said += f": {NOT_OUTLINED}"
    lines = [
        _text(said, _style(17, colour[analysis.call], "Medium")),
        _text(doubt(analysis).capitalize(), _style(10)),
    ]
    if (compared := comparison(analysis, subject)) is not None:
        lines.append(_text(compared, _style(10)))
    return [*lines, Spacer(0, 3 * mm)]


def _film_and_numbers(frame: Frame, analysis: Analysis) -> Table:
    stream = BytesIO()
    draw_film(frame, analysis, width_px=_FILM_PX).save(stream, "JPEG", quality=90)
    tall = frame.rows * frame.aspect
    scale = min(_FILM_WIDTH / frame.columns, _FILM_HEIGHT / tall)
    film = Image(stream, frame.columns * scale, tall * scale)
    sides = Table(
        [["R", "L"]],
        colWidths=[film.drawWidth / 2] * 2,
        style=[
            ("FONT", (0, 0), (-1, -1), "Roboto-Medium", 9),
            ("TEXTCOLOR", (0, 0), (-1, -1), _QUIET),
            ("ALIGN", (1, 0), (1, 0), "RIGHT"),
            ("LEFTPADDING", (0, 0), (-1, -1), 0),
            ("RIGHTPADDING", (0, 0), (-1, -1), 0),
            ("BOTTOMPADDING", (0, 0), (-1, -1), 2),
            ("TOPPADDING", (0, 0), (-1, -1), 0),
        ],
        hAlign="LEFT",
    )
    film.hAlign = "LEFT"
    return Table(
        [[[sides, film], _numbers(analysis)]],
        colWidths=[_FILM_WIDTH + 6 * mm, 64 * mm],
        style=[_FLUSH, ("VALIGN", (0, 0), (-1, -1), "TOP")],
    )


def _numbers(analysis: Analysis) -> list[Flowable]:
    severity, ranges = analysis.severity, analysis.intervals
    sure = analysis.call is Call.OPACITY
    size = 30 if sure else 12
    total = ParagraphStyle(
        "total",
        fontName="Roboto-Light" if sure else "Roboto-Regular",
        fontSize=size,
        leading=size * 1.2,
        textColor=_INK,
    )
    rows = [
        ("Right lung", measured(severity.right, ranges.right if ranges else None)),
        ("Left lung", measured(severity.left, ranges.left if ranges else None)),
        ("Opacity extent score", f"{severity.extent_score} of 8"),
    ]
    zones = [["Zone", "Right", "Left"]] + [
        [
            name.capitalize(),
            *(
                percent(severity.zones.get(Zone(f"{side} {name}"), 0.0))
                for side in ("right", "left")
            ),
        ]
        for name in ("upper", "middle", "lower")
    ]
    return [
        _text("Opacity of both lungs", _style(9, _QUIET)),
        _text(measured(severity.total, ranges.total if ranges else None), total),
        Spacer(0, 3 * mm),
        _table(rows, [36 * mm, 28 * mm]),
        Spacer(0, 5 * mm),
        _table(zones, [24 * mm, 20 * mm, 20 * mm], header=True),
    ]


def _table(
    rows: Sequence[Sequence[str]], widths: Sequence[float], *, header: bool = False
) -> Table:
    style: list[tuple[object, ...]] = [
        ("FONT", (0, 0), (-1, -1), "Roboto-Regular", 9),
        ("TEXTCOLOR", (0, 0), (-1, -1), _INK),
        ("LEFTPADDING", (0, 0), (0, -1), 0),
        ("RIGHTPADDING", (-1, 0), (-1, -1), 0),
        ("ALIGN", (1, 0), (-1, -1), "RIGHT"),
        ("LINEBELOW", (0, 0), (-1, -1), 0.4, _RULE),
    ]
    if header:
        style += [
            ("TEXTCOLOR", (0, 0), (-1, 0), _QUIET),
            ("FONT", (0, 0), (-1, 0), "Roboto-Regular", 8),
        ]
    return Table(
        [list(row) for row in rows],
        colWidths=widths,
        style=style,
        repeatRows=1 if header else 0,
    )


def _findings(analysis: Analysis) -> list[Flowable]:
    if not analysis.findings:
        return []
    rows = [["Finding", "Certainty", "Share of its lung", "Area"]]
    for number, finding in enumerate(analysis.findings, start=1):
        area = finding.area_mm2
        rows.append(
            [
                f"{number}   {noun(analysis.call)}, {finding.place}",
                probability(finding.score),
                percent(finding.percent_of_lung),
                "not told" if area is None else f"{square_centimetres(area)} cm²",
            ]
        )
    widths = [84 * mm, 26 * mm, 34 * mm, 30 * mm]
    return [_table(rows, widths, header=True), Spacer(0, 4 * mm)]


def _foot(subject: Subject) -> list[Flowable]:
    maker = subject.maker
    model, node = maker.model, f"{maker.product} ({maker.ae_title})"
    lines = (
        f"{DISCLAIMER}; not verified by a physician.",
        f"Made by {node}, {stamp(subject.local_time)}.",
        f"Model {model.name} {model.version}, SHA-256 {model.sha256}.",
        f"Source image {subject.clean.SOPInstanceUID}.",
    )
    rule = HRFlowable(width="100%", color=_RULE, spaceBefore=6, spaceAfter=4)
    return [rule, *(_text(line, _style(7.5, _QUIET)) for line in lines)]
