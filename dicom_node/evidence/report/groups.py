"""Measurement groups of the report: one region with its numbers each (TID 1410).

A region is an outline, or a segment of this image's SEGs for readers that want that.
The text that viewers put beside an outline is the measurement's meaning, value and
unit; the algorithm is named once in each group (TID 4019). A Finding stands in the
groups of findings alone, and only on a film that is called opacity.
"""

from collections.abc import Sequence

from highdicom.sr import (
    AlgorithmIdentification,
    FindingSite,
    GraphicTypeValues,
    ImageRegion,
    Measurement,
    QualitativeEvaluation,
    ReferencedSegmentationFrame,
    SourceImageForMeasurementGroup,
    SourceImageForRegion,
    SourceImageForSegmentation,
    TrackingIdentifier,
)
from highdicom.sr import MeasurementsAndQualitativeEvaluations as ImageGroup
from highdicom.sr import PlanarROIMeasurementsAndQualitativeEvaluations as Group
from pydicom.sr.coding import Code
from pydicom.uid import SegmentationStorage

from dicom_node.evidence import codes
from dicom_node.evidence.kinds import EvidenceKind
from dicom_node.evidence.outline import Points, simplified
from dicom_node.evidence.subject import Subject
from inference.findings import (
    ZONES_OF,
    Analysis,
    Call,
    Finding,
    Intervals,
    Lung,
    Side,
    Zone,
)

__all__ = ["Group", "Groups", "ImageGroup"]


class Groups:
    """Makes the groups of one report.

    Parameters
    ----------
    subject
        For its UIDs, model and prior.
    """

    def __init__(self, subject: Subject) -> None:
        self._subject = subject
        self._clean = subject.clean
        model = subject.maker.model
        algorithm = AlgorithmIdentification(name=model.name, version=model.version)
        # Once for a group; with segments in place of outlines PixelMed's validator
        # knows it on each number only.
        by_group = subject.style.report_regions == "outline"
        self._algorithm_of_group = algorithm if by_group else None
        self._algorithm_of_number = None if by_group else algorithm

    def total(self, analysis: Analysis, outline: Points) -> Group | ImageGroup:
        """Both lungs together: severity, change, probability, extent score, zones.

        Viewers print the first five numbers beside the outline; so zones and intervals
        are last, those of the lungs too.
        A film without opacity has no zones to tell apart and no extent.
        """
        severity, ranges = analysis.severity, analysis.intervals
        numbers = self._severity(
            (codes.TOTAL_OPACITY, codes.TOTAL_FREE), severity.total
        )
        if prior := self._subject.earlier.prior:
            change = severity.total - prior.total
            numbers.insert(1, self._number(codes.CHANGE_TOTAL, change, codes.POINTS))
        numbers += [
            self._number(codes.OPACITY_PROBABILITY, 100 * analysis.opacity_score),
            self._number(codes.OPERATING_POINT, 100 * analysis.operating_point),
        ]
        if severity.extent_score:
            numbers.append(
                self._number(codes.EXTENT_SCORE, severity.extent_score, codes.SCORE)
            )
        if severity.extent_score:
            numbers += [self._zone(*zone) for zone in severity.zones.items()]
        numbers += self._ends(ranges)
        sites = [FindingSite(codes.LUNG)]
        if self._subject.style.image_level == "tid1501":
            return self._image_group("both lungs", numbers, sites)
        return self._group("both lungs", self._outline(outline), numbers, sites)

    def lung(
        self, number: int, lung: Lung, outline: Points, analysis: Analysis
    ) -> Group:
        """One lung: its severity, its change."""
        severity, side = analysis.severity, lung.side
        value = severity.right if side is Side.RIGHT else severity.left
        names = (codes.LUNG_OPACITY[side], codes.LUNG_FREE[side])
        numbers = self._severity(names, value)
        if prior := self._subject.earlier.prior:
            before = prior.right if side is Side.RIGHT else prior.left
            numbers.append(
                self._number(codes.CHANGE_SIDE, value - before, codes.POINTS)
            )
        site = FindingSite(codes.SIDES[side])
        region = self._region(EvidenceKind.LUNG_SEGMENTATION, number, outline)
        return self._group(f"{side.value} lung", region, numbers, [site])

    def _severity(self, names: tuple[Code, Code], value: float) -> list[Measurement]:
        """Percentage of opacity; where it is none, what is free of it is said first.

        OHIF leaves a zero's value out of its text; so what is free of opacity is said
        in its place, as a number that shows.
        """
        number = self._number(names[0], value)
        if number.value == 0:
            return [self._number(names[1], 100 - value), number]
        return [number]

    def _ends(self, ranges: Intervals | None) -> list[Measurement]:
        """Write the ends of all intervals as numbers of their own."""
        if ranges is None:
            return []
        both = (
            (codes.TOTAL_ENDS, ranges.total),
            (codes.LUNG_ENDS[Side.RIGHT], ranges.right),
            (codes.LUNG_ENDS[Side.LEFT], ranges.left),
        )
        return [
            self._number(name, value)
            for names, interval in both
            for name, value in zip(names, (interval.low, interval.high), strict=True)
        ]

    def _zone(self, zone: Zone, value: float) -> Measurement:
        site = FindingSite(codes.ZONES[zone], codes.LATERALITY[zone.side])
        return self._number(codes.ZONE_OPACITY[zone], value, sites=[site])

    def finding(self, number: int, finding: Finding, call: Call) -> Group:
        """One opacity: its share of the lung, certainty, and area where calibrated."""
        numbers = [
            self._number(codes.FINDING_OPACITY, finding.percent_of_lung),
            self._number(codes.CERTAINTY, 100 * finding.score),
        ]
        if finding.area_mm2 is not None:
            numbers.append(
                self._number(codes.AREA, finding.area_mm2, unit=codes.SQUARE_MILLIMETRE)
            )
        sites = [FindingSite(codes.SIDES[finding.side])]
        if len(finding.zones) < len(ZONES_OF[finding.side]):
            sites += [
                FindingSite(codes.ZONES[zone], codes.LATERALITY[finding.side])
                for zone in finding.zones
            ]
        outline = simplified(finding.region)
        region = self._region(EvidenceKind.SEGMENTATION, number, outline)
        return self._group(f"opacity {number}", region, numbers, sites, call)

    def _group(
        self,
        what: str,
        region: ImageRegion | ReferencedSegmentationFrame,
        numbers: list[Measurement],
        sites: list[FindingSite],
        call: Call | None = None,
    ) -> Group:
        evaluation = (
            [QualitativeEvaluation(codes.OPACITY, codes.CALLS[call])]
            if call is Call.POSSIBLE
            else None
        )
        return Group(
            tracking_identifier=self._tracking(what),
            referenced_region=region if isinstance(region, ImageRegion) else None,
            referenced_segment=None if isinstance(region, ImageRegion) else region,
            finding_type=codes.OPACITY if call is Call.OPACITY else None,
            algorithm_id=self._algorithm_of_group,
            finding_sites=sites,
            measurements=numbers,
            qualitative_evaluations=evaluation,
        )

    def _image_group(
        self, what: str, numbers: list[Measurement], sites: list[FindingSite]
    ) -> ImageGroup:
        """Numbers of the whole film, without a region (TID 1501)."""
        image = SourceImageForMeasurementGroup(
            self._clean.SOPClassUID, self._clean.SOPInstanceUID
        )
        return ImageGroup(
            tracking_identifier=self._tracking(what),
            algorithm_id=self._algorithm_of_group,
            finding_sites=sites,
            measurements=numbers,
            source_images=[image],
        )

    def _tracking(self, what: str) -> TrackingIdentifier:
        identifier, uid = self._subject.tracking(what)
        return TrackingIdentifier(uid=uid, identifier=identifier)

    def _region(
        self, kind: EvidenceKind, number: int, outline: Points
    ) -> ImageRegion | ReferencedSegmentationFrame:
        if self._subject.style.report_regions == "outline":
            return self._outline(outline)
        return self._segment(kind, number)

    def _segment(self, kind: EvidenceKind, number: int) -> ReferencedSegmentationFrame:
        """Point to a segment of this image's SEG of a kind.

        Neither item may name a frame: the SEG's is given by its segment, the image has
        but one (PS3.3 C.18.4, 10.3).
        """
        image = SourceImageForSegmentation(
            self._clean.SOPClassUID, self._clean.SOPInstanceUID
        )
        segment = ReferencedSegmentationFrame(
            SegmentationStorage,
            self._subject.uid(kind),
            frame_number=number,
            segment_number=number,
            source_image=image,
        )
        del segment[0].ReferencedSOPSequence[0].ReferencedFrameNumber
        (name,) = segment[1].ConceptNameCodeSequence
        name.CodeMeaning = "Source image for segmentation"
        return segment

    def _outline(self, outline: Points) -> ImageRegion:
        return ImageRegion(
            graphic_type=GraphicTypeValues.POLYLINE,
            graphic_data=outline,
            source_image=SourceImageForRegion(
                self._clean.SOPClassUID, self._clean.SOPInstanceUID
            ),
        )

    def _number(
        self,
        name: Code,
        value: float,
        unit: Code = codes.PERCENT,
        sites: Sequence[FindingSite] | None = None,
    ) -> Measurement:
        # Hundredths are finer than any reader or any model of today.
        number = round(float(value), 2)
        return Measurement(
            name=name,
            value=int(number) if unit == codes.SCORE else number,
            unit=unit,
            finding_sites=sites,
            algorithm_id=self._algorithm_of_number,
        )
