"""Coded concepts as values: what the results say in SNOMED CT, DCM and UCUM.

Everything a report states stands here once. What no standard scheme can express (the
share of a lung that is covered by opacity) is in the node's own scheme, declared in
every report's Coding Scheme Identification Sequence (PS3.3 C.12.1.1.7).
"""

from collections.abc import Mapping
from uuid import NAMESPACE_URL, uuid5

from highdicom.coding_schemes import CodingSchemeIdentificationItem
from pydicom.sr.coding import Code

from inference.findings import Call, Side, Zone

OWN_SCHEME = "99CXRNODE"
OWN_SCHEME_UID = f"2.25.{uuid5(NAMESPACE_URL, 'cxr-node/coding-scheme').int}"


def _own(value: str, meaning: str) -> Code:
    return Code(value, OWN_SCHEME, meaning)


OPACITY = Code("112001", "DCM", "Opacity")
ABNORMAL_STRUCTURE = Code("49755003", "SCT", "Morphologically Abnormal Structure")
ANATOMICAL_STRUCTURE = Code("91723000", "SCT", "Anatomical Structure")
LUNG = Code("39607008", "SCT", "Lung")
SIDES: Mapping[Side, Code] = {
    Side.RIGHT: Code("3341006", "SCT", "Right lung"),
    Side.LEFT: Code("44029006", "SCT", "Left lung"),
}
LATERALITY: Mapping[Side, Code] = {
    Side.RIGHT: Code("24028007", "SCT", "Right"),
    Side.LEFT: Code("7771000", "SCT", "Left"),
}
_UPPER = Code("281392002", "SCT", "Upper zone of lung")
_MIDDLE = Code("281393007", "SCT", "Middle zone of lung")
_LOWER = Code("281394001", "SCT", "Lower zone of lung")
ZONES: Mapping[Zone, Code] = {
    Zone.RIGHT_UPPER: _UPPER,
    Zone.RIGHT_MIDDLE: _MIDDLE,
    Zone.RIGHT_LOWER: _LOWER,
    Zone.LEFT_UPPER: _UPPER,
    Zone.LEFT_MIDDLE: _MIDDLE,
    Zone.LEFT_LOWER: _LOWER,
}

PERCENT = Code("%", "UCUM", "Percent")
# An annotation, not "1": a viewer that leaves zeros out would show "score: 1" for 0.
SCORE = Code("{score}", "UCUM", "score")
POINTS = Code("%{points}", "UCUM", "percentage points")
SQUARE_MILLIMETRE = Code("mm2", "UCUM", "square millimeter")
AREA = Code("42798000", "SCT", "Area")
CERTAINTY = Code("111012", "DCM", "Certainty of Finding")

# Viewers print meaning, value and unit beside the outline, in the film's margin: so
# meanings are short; the group says that they are about opacity, and where.
TOTAL_OPACITY = _own("TOTAL_OPAC_PCT", "Total opacity")
LUNG_OPACITY: Mapping[Side, Code] = {
    Side.RIGHT: _own("RIGHT_OPAC_PCT", "Right opacity"),
    Side.LEFT: _own("LEFT_OPAC_PCT", "Left opacity"),
}
TOTAL_FREE = _own("TOTAL_FREE_PCT", "Total opacity-free")
LUNG_FREE: Mapping[Side, Code] = {
    Side.RIGHT: _own("RIGHT_FREE_PCT", "Right opacity-free"),
    Side.LEFT: _own("LEFT_FREE_PCT", "Left opacity-free"),
}
TOTAL_ENDS = (
    _own("TOTAL_OPAC_LOW", "Total opacity, low end"),
    _own("TOTAL_OPAC_HIGH", "Total opacity, high end"),
)
LUNG_ENDS: Mapping[Side, tuple[Code, Code]] = {
    Side.RIGHT: (
        _own("RIGHT_OPAC_LOW", "Right opacity, low end"),
        _own("RIGHT_OPAC_HIGH", "Right opacity, high end"),
    ),
    Side.LEFT: (
        _own("LEFT_OPAC_LOW", "Left opacity, low end"),
        _own("LEFT_OPAC_HIGH", "Left opacity, high end"),
    ),
}
"""Ends of the interval that holds the true percentage on 90 of 100 films."""
FINDING_OPACITY = _own("FINDING_PCT", "Share of lung")
OPACITY_PROBABILITY = _own("ANY_OPACITY_PCT", "Probability")
OPERATING_POINT = _own("OPERATING_PCT", "Operating point")
EXTENT_SCORE = _own("EXTENT_0_8", "Extent score (0-8)")
CHANGE_TOTAL = _own("TOTAL_CHANGE_PP", "Total change")
CHANGE_SIDE = _own("LUNG_CHANGE_PP", "Lung change")
# Such as RUZ_OPACITY_PCT: right upper zone.
ZONE_OPACITY: Mapping[Zone, Code] = {
    zone: _own(
        "".join(word[0] for word in zone.value.split()).upper() + "Z_OPACITY_PCT",
        f"Opacity of {zone.value} zone",
    )
    for zone in Zone
}

VIEWS: Mapping[str, Code] = {
    "PA": Code("272479007", "SCT", "postero-anterior"),
    "AP": Code("399348003", "SCT", "antero-posterior"),
}
"""Direction of a film in CID 4010."""
ARTIFICIAL_INTELLIGENCE = Code("123110", "DCM", "Artificial Intelligence")
PROCESSING_EQUIPMENT = Code("109102", "DCM", "Processing Equipment")
SOURCE_IMAGE = Code("121322", "DCM", "Source Image for Image Processing Operation")
PLAIN_CHEST_FILM = Code("399208008", "SCT", "Plain chest X-ray")
SEGMENTATION = Code("113076", "DCM", "Segmentation")
ENGLISH = Code("en", "RFC5646", "English")
QUALITATIVE_EVALUATIONS = Code("C0034375", "UMLS", "Qualitative Evaluations")
FINDING = Code("121071", "DCM", "Finding")
COMMENT = Code("121106", "DCM", "Comment")
CONCLUSION = Code("121077", "DCM", "Conclusion")
CALLS: Mapping[Call, Code] = {
    Call.OPACITY: Code("52101004", "SCT", "Present"),
    Call.POSSIBLE: Code("82334004", "SCT", "Indeterminate"),
    Call.NONE: Code("272519000", "SCT", "Absent"),
}
"""Values of the qualitative evaluation OPACITY."""
REJECTED_FOR_QUALITY = Code("113001", "DCM", "Rejected for Quality Reasons")
REJECTED_FOR_SAFETY = Code("113037", "DCM", "Rejected for Patient Safety Reasons")
NOT_ANALYSED = _own("NOT_ANALYSED", "Reason for no analysis")


def not_analysed(code: str, text: str) -> Code:
    """Coded reason for no analysis, from a reason of the node's own."""
    return _own(code[:16], text.strip().rstrip(".")[:64])


def own_scheme() -> CodingSchemeIdentificationItem:
    """Declare the node's own coding scheme, as docs/codes.md publishes it."""
    return CodingSchemeIdentificationItem(
        OWN_SCHEME,
        name="Chest radiograph opacity node",
        uid=OWN_SCHEME_UID,
        version="1",
        responsible_organization="CXR Node",
    )
