"""The panel beside the film: severity, zones, findings, and what made them.

A column of blocks, each moving the pen down; the foot with disclaimer and model is
written first, so that it is never pushed off by many findings.
"""

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
from dicom_node.evidence.wording.disclaimer import DISCLAIMER
from dicom_node.evidence.wording.moments import stamp
from dicom_node.evidence.wording.numbers import (
    bare,
    percent,
    probability,
    spread,
    square_centimetres,
)
from dicom_node.evidence.wording.sentences import (
    CALLS,
    NOT_OUTLINED,
    comparison,
    doubt,
    notes,
)
from inference.findings import Analysis, Call, Finding, Interval, Side, Zone

BACKGROUND: Colour = (13, 16, 20)
TRACK: Colour = (34, 40, 48)
TEXT: Colour = (236, 239, 243)
MUTED: Colour = (148, 158, 170)
WARM: Colour = (255, 176, 72)
QUIET: Colour = (232, 210, 150)
"""For what is possible only."""
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
        self._accent = WARM

    def draw(self, analysis: Analysis, subject: Subject, bottom: int) -> None:
        """Write all blocks from the top, the foot at the bottom."""
        if analysis.call is not Call.OPACITY:
            self._accent = QUIET
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
        """Say what the film is called, how surely, and how much there is."""
        call = analysis.call
        self._heading("LUNG OPACITY")
        colour = TEXT if call is Call.NONE else self._accent
        self._brush.text(
            (self._left, self._down(42)), CALLS[call], self._type("Medium", 32), colour
        )
        self._brush.text(
            (self._left, self._down(28)),
            doubt(analysis),
            self._type("Regular", 17),
            TEXT,
        )
        if call is Call.OPACITY and analysis.findings:
            self._amount(analysis)
        else:
            self._little(analysis)
        self._down(34)

    def _amount(self, analysis: Analysis) -> None:
        """Write the percentage of both lungs large, its interval beside it."""
        baseline = self._down(76)
        used = self._brush.text(
            (self._left - 3 * self._unit, baseline),
            bare(analysis.severity.total),
            self._type("Light", 76),
            TEXT,
        )
        interval = analysis.intervals.total if analysis.intervals else None
        self._brush.text(
            (self._left + used + 6 * self._unit, baseline),
            f"% {spread(interval)}".rstrip(),
            self._type("Light", 34),
            MUTED,
        )
        count = len(analysis.findings)
        many = "1 opacity" if count == 1 else f"{count} opacities"
        text = f"of both lungs, {many}"
        self._brush.text(
            (self._left, self._down(32)), text, self._type("Regular", 19), TEXT
        )

    def _little(self, analysis: Analysis) -> None:
        """Write it small: no big number where the film is not called opacity."""
        if analysis.findings:
            interval = analysis.intervals.total if analysis.intervals else None
            amount = f"{percent(analysis.severity.total)} {spread(interval)}".rstrip()
            text = f"outlined: {amount} of both lungs"
        elif analysis.call is Call.NONE:
            return
        else:
            text = NOT_OUTLINED
        self._brush.text(
            (self._left, self._down(28)), text, self._type("Regular", 17), MUTED
        )

    def _heading(self, text: str) -> None:
        # Wider letters tell a heading from its content.
        spaced = "\u200a".join(text)
        type_ = self._type("Medium", 14)
        self._brush.text((self._left, self._pen), spaced, type_, MUTED)

    def _sides(self, analysis: Analysis) -> None:
        severity, intervals = analysis.severity, analysis.intervals
        self._side("Right lung", severity.right, intervals.right if intervals else None)
        self._side("Left lung", severity.left, intervals.left if intervals else None)

    def _side(self, name: str, value: float, interval: Interval | None) -> None:
        baseline = self._down(16)
        self._brush.text((self._left, baseline), name, self._type("Regular", 18), TEXT)
        type_ = self._type("Regular", 16)
        range_ = spread(interval)
        self._brush.text((self._right, baseline), range_, type_, MUTED, "rs")
        # Under one another, whatever the ranges' widths.
        right = self._right - (86 * self._unit if range_ else 0)
        self._brush.text(
            (right, baseline), percent(value), self._type("Medium", 18), TEXT, "rs"
        )
        self._bar(self._down(10), value)
        self._down(24)

    def _bar(self, top: float, value: float) -> None:
        height = 6 * self._unit
        radius = height / 2
        self._brush.bar((self._left, top, self._right, top + height), TRACK, radius)
        if value > 0:
            length = max(height, self._width * min(value, 100.0) / 100)
            box = (self._left, top, self._left + length, top + height)
            self._brush.bar(box, self._accent, radius)

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
        value = f"{analysis.severity.extent_score} of 8"
        self._brush.text(
            (self._left, self._pen),
            "Opacity extent score",
            self._type("Regular", 17),
            TEXT,
        )
        self._brush.text(
            (self._right, self._pen), value, self._type("Medium", 17), TEXT, "rs"
        )
        self._down(28)

    def _findings(self, analysis: Analysis, foot_top: float) -> None:
        if not analysis.findings:
            return
        self._down(18)
        sure = analysis.call is Call.OPACITY
        self._heading("FINDINGS" if sure else "POSSIBLE FINDINGS")
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
            (self._left, baseline), str(number), self._type("Medium", 19), self._accent
        )
        name = finding.place.capitalize()
        self._brush.text((indent, baseline), name, self._type("Regular", 18), TEXT)
        self._brush.text(
            (self._right, baseline),
            percent(finding.percent_of_lung),
            self._type("Medium", 18),
            TEXT,
            "rs",
        )
        details = f"certainty {probability(finding.score)}"
        if finding.area_mm2 is not None:
            details += f"  ·  {square_centimetres(finding.area_mm2)} cm²"
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
            (f"Made {stamp(subject.local_time)}", MUTED),
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
        return self._notes(analysis, subject, pen)

    def _notes(self, analysis: Analysis, subject: Subject, pen: float) -> float:
        """Comparison and image quality, above the disclaimer."""
        # What film it is stands above the film.
        lines = notes(analysis, subject)[1:]
        if (compared := comparison(analysis, subject)) is not None:
            lines.insert(0, compared)
        type_ = self._type("Regular", 15)
        for note in reversed(lines):
            for line in reversed(wrap(note, type_, self._width)):
                self._brush.text((self._left, pen), line, type_, TEXT)
                pen -= 21 * self._unit
            pen -= 6 * self._unit
        return pen
