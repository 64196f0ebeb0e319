"""The panel beside the film: severity, zones, findings, and what made them.

A column of blocks, each moving the pen down; the foot with disclaimer and model is
written first, so that it is never pushed off by many findings.
"""

from dicom_node.evidence.past import Earlier
from dicom_node.evidence.pictures.drawing import (
    Brush,
    Colour,
    Type,
    Weight,
    blend,
    font,
    wrap,
)
from dicom_node.evidence.subject import Subject
from dicom_node.evidence.wording import DISCLAIMER, comparison, percent
from inference.findings import Analysis, Finding, Side, Zone

BACKGROUND: Colour = (13, 16, 20)
TRACK: Colour = (34, 40, 48)
TEXT: Colour = (236, 239, 243)
MUTED: Colour = (148, 158, 170)
WARM: Colour = (255, 176, 72)
COOL: Colour = (110, 198, 230)
_HOT: Colour = (214, 92, 44)
# A zone this full has the warmest colour.
_FULL_PERCENT = 75.0


class Panel:
    """Writes the panel.

    Parameters
    ----------
    brush
        The picture.
    left, width
        Of the column, in pixels.
    unit
        Pixels per design unit.
    """

    def __init__(self, brush: Brush, left: int, width: int, unit: float) -> None:
        self._brush = brush
        self._left = left
        self._right = left + width
        self._width = width
        self._unit = unit
        self._pen = 0.0

    def draw(self, analysis: Analysis, subject: Subject, bottom: int) -> None:
        """Write all blocks from the top, the foot at the bottom."""
        foot_top = self._foot(analysis, subject, bottom)
        self._pen = 40 * self._unit
        self._total(analysis)
        self._sides(analysis)
        self._zones(analysis)
        self._scores(analysis)
        self._findings(analysis, foot_top)

    def _type(self, weight: Weight, size: float) -> Type:
        return font(weight, max(6, round(size * self._unit)))

    def _down(self, units: float) -> float:
        self._pen += units * self._unit
        return self._pen

    def _total(self, analysis: Analysis) -> None:
        self._heading("LUNG OPACITY")
        baseline = self._down(80)
        value = percent(analysis.severity.total).removesuffix(" %")
        used = self._brush.text(
            (self._left - 3 * self._unit, baseline),
            value,
            self._type("Light", 84),
            TEXT,
        )
        self._brush.text(
            (self._left + used + 6 * self._unit, baseline),
            "%",
            self._type("Light", 40),
            MUTED,
        )
        count = len(analysis.findings)
        words = {0: "No lung opacity found", 1: "of both lungs, 1 opacity"}
        text = words.get(count, f"of both lungs, {count} opacities")
        self._brush.text(
            (self._left, self._down(34)), text, self._type("Regular", 20), TEXT
        )
        self._down(34)

    def _heading(self, text: str) -> None:
        # Wider letters tell a heading from its content.
        spaced = "\u200a".join(text)
        type_ = self._type("Medium", 14)
        self._brush.text((self._left, self._pen), spaced, type_, MUTED)

    def _sides(self, analysis: Analysis) -> None:
        severity = analysis.severity
        for name, value in (
            ("Right lung", severity.right),
            ("Left lung", severity.left),
        ):
            baseline = self._down(16)
            self._brush.text(
                (self._left, baseline), name, self._type("Regular", 18), TEXT
            )
            self._brush.text(
                (self._right, baseline),
                percent(value),
                self._type("Medium", 18),
                TEXT,
                anchor="rs",
            )
            top = self._down(10)
            self._bar(top, value)
            self._down(24)

    def _bar(self, top: float, value: float) -> None:
        height = 6 * self._unit
        radius = height / 2
        self._brush.bar((self._left, top, self._right, top + height), TRACK, radius)
        if value > 0:
            length = max(height, self._width * min(value, 100.0) / 100)
            box = (self._left, top, self._left + length, top + height)
            self._brush.bar(box, WARM, radius)

    def _zones(self, analysis: Analysis) -> None:
        self._down(26)
        self._heading("ZONES")
        columns = {Side.RIGHT: self._left + 84 * self._unit}
        gap = 6 * self._unit
        cell = (self._right - columns[Side.RIGHT] - gap) / 2
        columns[Side.LEFT] = columns[Side.RIGHT] + cell + gap
        for side, letter in ((Side.RIGHT, "R"), (Side.LEFT, "L")):
            middle = columns[side] + cell / 2
            self._brush.text(
                (middle, self._pen), letter, self._type("Medium", 14), MUTED, "ms"
            )
        self._down(12)
        for name in ("upper", "middle", "lower"):
            top, height = self._pen, 40 * self._unit
            self._brush.text(
                (self._left, top + height / 2),
                name.capitalize(),
                self._type("Regular", 16),
                MUTED,
                "lm",
            )
            for side, left in columns.items():
                value = analysis.severity.zones.get(Zone(f"{side.value} {name}"), 0.0)
                self._cell((left, top, left + cell, top + height), value)
            self._pen = top + height + gap
        self._down(26)

    def _cell(self, box: tuple[float, float, float, float], value: float) -> None:
        share = min(max(value, 0.0) / _FULL_PERCENT, 1.0)
        self._brush.bar(box, blend(TRACK, _HOT, share), 5 * self._unit)
        middle = ((box[0] + box[2]) / 2, (box[1] + box[3]) / 2)
        colour = TEXT if value > 0 else MUTED
        self._brush.text(
            middle, percent(value), self._type("Regular", 17), colour, "mm"
        )

    def _scores(self, analysis: Analysis) -> None:
        rows = (
            ("Opacity extent score", f"{analysis.severity.extent_score} of 8"),
            ("Probability of any opacity", f"{100 * analysis.opacity_score:.0f} %"),
        )
        for name, value in rows:
            self._brush.text(
                (self._left, self._pen), name, self._type("Regular", 17), TEXT
            )
            self._brush.text(
                (self._right, self._pen), value, self._type("Medium", 17), TEXT, "rs"
            )
            self._down(28)

    def _findings(self, analysis: Analysis, foot_top: float) -> None:
        if not analysis.findings:
            return
        self._down(18)
        self._heading("FINDINGS")
        self._down(10)
        row = 54 * self._unit
        fit = max(0, int((foot_top - self._pen - 10 * self._unit) // row))
        shown = analysis.findings
        if len(shown) > fit:
            shown = shown[: max(0, fit - 1)]
        for number, finding in enumerate(shown, start=1):
            self._finding(number, finding)
        if left_out := len(analysis.findings) - len(shown):
            text = f"and {left_out} more, all in the report"
            self._brush.text(
                (self._left, self._down(24)), text, self._type("Regular", 15), MUTED
            )

    def _finding(self, number: int, finding: Finding) -> None:
        baseline = self._down(24)
        indent = self._left + 30 * self._unit
        self._brush.text(
            (self._left, baseline), str(number), self._type("Medium", 19), WARM
        )
        name = f"{finding.zone.value.capitalize()} zone"
        self._brush.text((indent, baseline), name, self._type("Regular", 18), TEXT)
        self._brush.text(
            (self._right, baseline),
            percent(finding.percent_of_lung),
            self._type("Medium", 18),
            TEXT,
            "rs",
        )
        details = f"certainty {100 * finding.score:.0f} %"
        if finding.area_mm2 is not None:
            details += f"  ·  {finding.area_mm2 / 100:.1f} cm²"
        baseline = self._down(21)
        self._brush.text((indent, baseline), details, self._type("Regular", 15), MUTED)
        self._brush.text(
            (self._right, baseline),
            f"of {finding.side.value} lung",
            self._type("Regular", 15),
            MUTED,
            "rs",
        )
        self._down(9)

    def _foot(self, analysis: Analysis, subject: Subject, bottom: int) -> float:
        """Write from the bottom up; returns where the foot begins."""
        model = subject.maker.model
        lines = [
            (f"{subject.created_at:%Y-%m-%d %H:%M %Z}", MUTED),
            (subject.maker.product, MUTED),
            (f"Model {model.name} {model.version}, SHA-256 {model.sha256[:12]}", MUTED),
        ]
        type_ = self._type("Regular", 14)
        pen = float(bottom)
        for text, colour in lines:
            self._brush.text((self._left, pen), text, type_, colour)
            pen -= 20 * self._unit
        pen -= 4 * self._unit
        self._brush.text((self._left, pen), DISCLAIMER, self._type("Medium", 16), WARM)
        pen -= 36 * self._unit
        return self._notes(analysis, subject.earlier, pen)

    def _notes(self, analysis: Analysis, earlier: Earlier, pen: float) -> float:
        """Comparison and image quality, above the disclaimer."""
        notes = [f"Image quality: {remark}" for remark in analysis.remarks]
        if (compared := comparison(analysis, earlier)) is not None:
            notes.insert(0, compared)
        type_ = self._type("Regular", 15)
        for note in reversed(notes):
            for line in reversed(wrap(note, type_, self._width)):
                self._brush.text((self._left, pen), line, type_, TEXT)
                pen -= 21 * self._unit
            pen -= 6 * self._unit
        return pen
