"""Measurement groups of the report: one outline with its numbers each (TID 1410).

The text that viewers put beside an outline is the measurement's meaning, value and
unit; the algorithm is named on each measurement (TID 4019).
"""

from collections.abc import Sequence

from highdicom.sr import (
    AlgorithmIdentification,
    FindingSite,
    GraphicTypeValues,
    ImageRegion,
    Measurement,
    SourceImageForRegion,
    TrackingIdentifier,
)
from highdicom.sr import PlanarROIMeasurementsAndQualitativeEvaluations as Group
from pydicom.dataset import Dataset
from pydicom.sr.coding import Code

from dicom_node.encoding import codes
from dicom_node.encoding.identity import EvidenceContext, tracking
from dicom_node.encoding.outline import Points, simplified
from inference.findings import Analysis, Finding, Lung, Side, Zone

__all__ = ["Group", "Groups"]


class Groups:
    """Makes the groups of one report.

    Parameters
    ----------
    clean
        The source's normalised header.
    context
        Model, prior and UIDs.
    """

    def __init__(self, clean: Dataset, context: EvidenceContext) -> None:
        self._clean = clean
        self._context = context
        self._algorithm = AlgorithmIdentification(
            name=context.manifest.name,
            version=context.manifest.version,
            parameters=[f"SHA-256={context.manifest.sha256}"],
            family=codes.ARTIFICIAL_INTELLIGENCE,
        )

    def total(self, analysis: Analysis, outline: Points) -> Group:
        """Both lungs together: severity, extent score, probability, change, zones.

        Viewers print the first five numbers beside the outline; so the zones are last.
        """
        severity = analysis.severity
        first, zeros = self._severities(
            (codes.TOTAL_OPACITY, codes.TOTAL_FREE, severity.total),
            (*_codes_of(Side.RIGHT), severity.right),
            (*_codes_of(Side.LEFT), severity.left),
        )
        if prior := self._context.prior:
            change = severity.total - prior.total
            first.insert(1, self._number(codes.CHANGE_TOTAL, change, codes.POINTS))
        numbers = [
            *first,
            self._number(codes.OPACITY_PROBABILITY, 100 * analysis.opacity_score),
            *zeros,
            self._number(codes.EXTENT_SCORE, severity.extent_score, unit=codes.SCORE),
            *(self._zone(zone, value) for zone, value in severity.zones.items()),
        ]
        return self._group("both lungs", outline, numbers, [FindingSite(codes.LUNG)])

    def lung(self, analysis: Analysis, lung: Lung, outline: Points) -> Group:
        """One lung: its severity, its change."""
        severity, side = analysis.severity, lung.side
        value = severity.right if side is Side.RIGHT else severity.left
        first, zeros = self._severities((*_codes_of(side), value))
        numbers = [*first, *zeros]
        if prior := self._context.prior:
            before = prior.right if side is Side.RIGHT else prior.left
            numbers.append(
                self._number(codes.CHANGE_SIDE, value - before, codes.POINTS)
            )
        site = FindingSite(codes.SIDES[side])
        return self._group(f"{side.value} lung", outline, numbers, [site])

    def _severities(
        self, *wanted: tuple[Code, Code, float]
    ) -> tuple[list[Measurement], list[Measurement]]:
        """Numbers to be read first, and the zeros among them.

        OHIF leaves a zero's value out of its text; so what is free of opacity is said
        in its place, as a number that shows.
        """
        first, zeros = [], []
        for name, free, value in wanted:
            number = self._number(name, value)
            if number.value == 0:
                first.append(self._number(free, 100 - value))
                zeros.append(number)
            else:
                first.append(number)
        return first, zeros

    def _zone(self, zone: Zone, value: float) -> Measurement:
        site = FindingSite(codes.ZONES[zone], codes.LATERALITY[zone.side])
        return self._number(codes.ZONE_OPACITY[zone], value, sites=[site])

    def finding(self, number: int, finding: Finding) -> Group:
        """One opacity: its share of the lung, certainty, and area where calibrated."""
        numbers = [
            self._number(codes.FINDING_OPACITY, finding.percent_of_lung),
            self._number(codes.CERTAINTY, 100 * finding.score),
        ]
        if finding.area_mm2 is not None:
            numbers.append(
                self._number(codes.AREA, finding.area_mm2, unit=codes.SQUARE_MILLIMETRE)
            )
        sites = [
            FindingSite(codes.SIDES[finding.side]),
            FindingSite(codes.ZONES[finding.zone], codes.LATERALITY[finding.side]),
        ]
        outline = simplified(finding.region)
        return self._group(f"opacity {number}", outline, numbers, sites)

    def _group(
        self,
        what: str,
        outline: Points,
        numbers: list[Measurement],
        sites: list[FindingSite],
    ) -> Group:
        identifier, uid = tracking(self._context, self._clean, what)
        region = ImageRegion(
            graphic_type=GraphicTypeValues.POLYLINE,
            graphic_data=outline,
            source_image=SourceImageForRegion(
                self._clean.SOPClassUID, self._clean.SOPInstanceUID
            ),
        )
        return Group(
            tracking_identifier=TrackingIdentifier(uid=uid, identifier=identifier),
            referenced_region=region,
            finding_type=codes.OPACITY,
            finding_sites=sites,
            measurements=numbers,
        )

    def _number(
        self,
        name: Code,
        value: float,
        unit: Code = codes.PERCENT,
        sites: Sequence[FindingSite] | None = None,
    ) -> Measurement:
        # Hundredths are finer than any reader or any model of today.
        return Measurement(
            name=name,
            value=round(float(value), 2),
            unit=unit,
            algorithm_id=self._algorithm,
            finding_sites=sites,
        )


def _codes_of(side: Side) -> tuple[Code, Code]:
    return codes.LUNG_OPACITY[side], codes.LUNG_FREE[side]
