"""Is this a frontal chest radiograph that we may analyse? If not, a coded reason.

Decided on the header alone, before the image is queued; the pixels have their own
say later. A header that says nothing is not held against a film, one that says
something else is. Attributes: DICOM PS3.3 C.7.6.3, C.8.1, C.8.11, C.8.6.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal

from pydicom import uid
from pydicom.dataset import Dataset

from dicom_node.dataset.attributes import codes, integer, text, texts
from dicom_node.dataset.quiet import quiet
from dicom_node.errors import NotEligible
from dicom_node.evidence.maker import MANUFACTURER

Policy = Literal["analyze", "refuse"]

_RADIOGRAPHS = frozenset(
    {uid.ComputedRadiographyImageStorage, uid.DigitalXRayImageStorageForPresentation}
)
_MONOCHROME = frozenset({"MONOCHROME1", "MONOCHROME2"})
_REFUSED_IMAGE_TYPE = re.compile(r"LOCALIZER|STITCHED|BONE_SUPPRESSED.*")

_CHEST_CODES = frozenset({"816094009", "51185008", "T-D3000", "39607008", "T-28000"})
_CHEST = re.compile(
    r"(?<![A-Z])(CHEST|THORA[XK]|T[OÓ]RAX|LUNGS?|CXR|POUMONS?)(?![A-Z])|胸|肺|흉부|ГРУД"
)
_OTHER_PART = re.compile(
    r"ABDOM|PELVI|SPINE|VERTEB|(?<![A-Z])(RIBS?|STERNUM|SKULL|KNEE|HIP|HAND|WRIST|FOOT"
    r"|ANKLE|ELBOW|SHOULDER|CLAVICLE|HUMERUS|EXTREMITY|BREAST|NECK|LEG)(?![A-Z])"
)

_FRONTAL_CODES = frozenset(
    {
        *("272479007", "R-40888"),  # postero-anterior
        *("399348003", "R-10206"),  # antero-posterior
        *("399033003", "R-10202"),  # frontal
    }
)
_LATERAL_CODES = frozenset(
    {
        *("399067008", "R-102CD"),  # lateral
        *("399173006", "R-10236"),  # left lateral
        *("399198007", "R-10232"),  # right lateral
        "30730003",  # sagittal
    }
)
_FRONTAL = re.compile(r"(?<![A-Z])(AP|PA|P\.A|A\.P|FRONTAL)(?![A-Z])")
_LATERAL = re.compile(
    r"(?<![A-Z])(LAT|LATERAL|LL|RL|LLD|RLD|LLAT|RLAT|PROFIL)(?![A-Z])"
)
_OBLIQUE = re.compile(r"(?<![A-Z])(LAO|RAO|LPO|RPO|LLO|RLO|OBL|OBLIQUE)(?![A-Z])")
_AGE = re.compile(r"(\d{1,3})([DWMY]?)")
_UNITS_PER_YEAR = {"D": 365.25, "W": 52.18, "M": 12.0, "Y": 1.0, "": 1.0}


@dataclass(frozen=True, slots=True)
class EligibilityRules:
    """What a site wants analysed.

    Parameters
    ----------
    accept_for_processing
        DX Images for Processing too; they have no window and usually a sibling for
        presentation.
    accept_secondary_capture
        Secondary Capture too, when the header says chest; digitised films and older
        readers send it.
    secondary_capture_modalities
        Modalities of a Secondary Capture; OT or XC only for a known sender, since
        dose sheets and snapshots carry them.
    minimum_age_years
        Younger patients are left out; 0 for none. Unknown age is analysed.
    minimum_size_px
        Least rows and columns.
    unknown_view
        A film whose header does not name its view: many lack it, and the model
        looks for two lungs by itself.
    unknown_body_part
        A film whose header does not name its body part.
    """

    accept_for_processing: bool
    accept_secondary_capture: bool
    secondary_capture_modalities: frozenset[str]
    minimum_age_years: float
    minimum_size_px: int
    unknown_view: Policy
    unknown_body_part: Policy


def check(dataset: Dataset, rules: EligibilityRules) -> None:
    """Refuse what is not a frontal chest radiograph, by its header.

    Parameters
    ----------
    dataset
        With or without its pixel data; only header attributes are read.
    rules
        The site's choices.

    Raises
    ------
    NotEligible
        The first rule that the image breaks, in the order below.
    """
    with quiet():
        _check_origin(dataset)
        _check_class(dataset, rules)
        _check_modality(dataset, rules)
        _check_image_type(dataset)
        _check_pixels(dataset, rules)
        _check_body_part(dataset, rules)
        _check_view(dataset, rules)
        _check_age(dataset, rules)


def is_awaited(dataset: Dataset, rules: EligibilityRules) -> bool:
    """Tell whether people expect a result of an image, eligible or not.

    They do for a radiograph that calls itself a chest, unless it is a lateral or an
    oblique view. What is no radiograph of the chest is nobody's disappointment.
    """
    with quiet():
        try:
            _check_origin(dataset)
            _check_class(dataset, rules)
            _check_modality(dataset, rules)
            _check_image_type(dataset)
            if _is_secondary_capture(dataset):
                # In colour or of many frames it is a snapshot, no digitised film.
                _check_pixels(dataset, rules)
        except NotEligible:
            return False
        return bool(_chest(dataset)) and _view(dataset) not in {"lateral", "oblique"}


def _check_origin(dataset: Dataset) -> None:
    if text(dataset, "Manufacturer") == MANUFACTURER.upper():
        raise NotEligible("OWN_RESULT", "The object was made by this node.")


def _check_class(dataset: Dataset, rules: EligibilityRules) -> None:
    sop_class = text(dataset, "SOPClassUID")
    if sop_class == uid.DigitalXRayImageStorageForProcessing:
        _check_processing(rules)
    elif sop_class == uid.SecondaryCaptureImageStorage:
        if not rules.accept_secondary_capture:
            raise NotEligible(
                "SOP_CLASS", "Secondary Capture is not accepted at this site."
            )
    elif sop_class not in _RADIOGRAPHS:
        name = uid.UID(sop_class[:64]).name if sop_class else "absent"
        raise NotEligible(
            "SOP_CLASS", f"The SOP class is {_shown(name, 64)}, not a radiograph."
        )
    if text(dataset, "PresentationIntentType") == "FOR PROCESSING":
        _check_processing(rules)


def _check_processing(rules: EligibilityRules) -> None:
    if not rules.accept_for_processing:
        raise NotEligible(
            "FOR_PROCESSING", "The image is for processing, not for presentation."
        )


def _check_modality(dataset: Dataset, rules: EligibilityRules) -> None:
    modality = text(dataset, "Modality")
    accepted = {"CR", "DX"}
    if _is_secondary_capture(dataset):
        accepted = set(rules.secondary_capture_modalities)
    elif not modality:
        return  # the SOP class has said it already
    if modality not in accepted:
        raise NotEligible("MODALITY", f"The modality is {_shown(modality)}.")


def _check_image_type(dataset: Dataset) -> None:
    kinds = texts(dataset, "ImageType")
    for kind in kinds:
        if _REFUSED_IMAGE_TYPE.fullmatch(kind):
            raise NotEligible("IMAGE_TYPE", f"The image type is {_shown(kind)}.")
    first, second, *_ = (*kinds, "", "")
    allowed = {"PRIMARY", ""}
    if _is_secondary_capture(dataset):
        allowed.add("SECONDARY")
    if first not in {"ORIGINAL", "DERIVED", ""} or second not in allowed:
        raise NotEligible(
            "IMAGE_TYPE", f"The image type is {_shown(first)}, {_shown(second)}."
        )


def _check_pixels(dataset: Dataset, rules: EligibilityRules) -> None:
    rows, columns = integer(dataset, "Rows"), integer(dataset, "Columns")
    if not rows or not columns:
        raise NotEligible("NO_PIXEL_DATA", "The object holds no picture.")
    samples = integer(dataset, "SamplesPerPixel")
    photometric = text(dataset, "PhotometricInterpretation")
    if photometric not in _MONOCHROME or samples not in {1, None}:
        raise NotEligible(
            "PHOTOMETRIC", f"The picture is {_shown(photometric)}, not grey."
        )
    if (integer(dataset, "NumberOfFrames") or 1) > 1:
        raise NotEligible("MULTIFRAME", "The object holds more than one frame.")
    bits = integer(dataset, "BitsStored")
    if bits is None or not 8 <= bits <= 16:  # noqa: PLR2004  the rule itself
        raise NotEligible("BITS_STORED", "The picture does not have 8 to 16 bits.")
    if min(rows, columns) < rules.minimum_size_px:
        raise NotEligible(
            "TOO_SMALL",
            f"{rows} x {columns} pixels; at least {rules.minimum_size_px} are needed.",
        )


def _check_body_part(dataset: Dataset, rules: EligibilityRules) -> None:
    known = _chest(dataset)
    if known is False:
        part = _shown(text(dataset, "BodyPartExamined"))
        raise NotEligible("NOT_CHEST", f"The body part is not chest (named: {part}).")
    if known is None and _is_secondary_capture(dataset):
        raise NotEligible(
            "NOT_CHEST", "A Secondary Capture that does not say that it shows a chest."
        )
    if known is None and rules.unknown_body_part == "refuse":
        raise NotEligible("NOT_CHEST", "The header does not name the body part.")


def _chest(dataset: Dataset) -> bool | None:
    """Say whether the header names the chest; ``None`` when it names nothing."""
    part = _words(dataset, ("BodyPartExamined",)).strip()
    if part:
        return bool(_CHEST.search(part)) and not _OTHER_PART.search(part)
    regions = codes(dataset, "AnatomicRegionSequence")
    if regions:
        return bool(regions & _CHEST_CODES)
    words = _words(dataset, ("StudyDescription", "SeriesDescription", "ProtocolName"))
    chest, other = bool(_CHEST.search(words)), bool(_OTHER_PART.search(words))
    return chest if chest != other else None


def _check_view(dataset: Dataset, rules: EligibilityRules) -> None:
    view = _view(dataset)
    if view == "lateral":
        raise NotEligible("VIEW_LATERAL", "The view is lateral.")
    if view == "oblique":
        raise NotEligible("VIEW_OBLIQUE", "The view is oblique.")
    if view is None and rules.unknown_view == "refuse":
        raise NotEligible("VIEW_UNKNOWN", "The header does not name the view.")


def _view(dataset: Dataset) -> str | None:
    """Find the view: View Position, its code, the series' words, the orientation."""
    position = text(dataset, "ViewPosition")
    view = "frontal" if position[:2] in {"AP", "PA"} else _named_view(position)
    coded = codes(dataset, "ViewCodeSequence")
    if view is None and coded & _FRONTAL_CODES:
        view = "frontal"
    if view is None and coded & _LATERAL_CODES:
        view = "lateral"
    if view is None:
        view = _named_view(_words(dataset, ("SeriesDescription", "ProtocolName")))
    if view is None and text(dataset, "PatientOrientation")[:1] in {"A", "P"}:
        view = "lateral"
    return view


def _named_view(words: str) -> str | None:
    found = {
        name
        for name, pattern in (
            ("frontal", _FRONTAL),
            ("lateral", _LATERAL),
            ("oblique", _OBLIQUE),
        )
        if pattern.search(words)
    }
    # "CHEST PA/LAT" names the examination, not this film.
    return found.pop() if len(found) == 1 else None


def _check_age(dataset: Dataset, rules: EligibilityRules) -> None:
    age = _age_years(dataset)
    if age is not None and age < rules.minimum_age_years:
        raise NotEligible(
            "TOO_YOUNG",
            f"The patient is younger than {rules.minimum_age_years:g} years.",
        )


def _age_years(dataset: Dataset) -> float | None:
    """Return Patient's Age, else Study Date less Patient's Birth Date."""
    match = _AGE.fullmatch(text(dataset, "PatientAge"))
    if match and match[0] not in {"000", "000Y"}:  # what some devices send for unknown
        return int(match[1]) / _UNITS_PER_YEAR[match[2]]
    born, studied = _date(dataset, "PatientBirthDate"), _date(dataset, "StudyDate")
    if born is None or studied is None or studied < born:
        return None
    return (studied - born).days / _UNITS_PER_YEAR["D"]


def _date(dataset: Dataset, keyword: str) -> date | None:
    digits = text(dataset, keyword).replace("-", "").replace(".", "")
    try:
        return datetime.strptime(digits, "%Y%m%d").date()  # noqa: DTZ007  a bare date
    except ValueError:
        return None


def _is_secondary_capture(dataset: Dataset) -> bool:
    return text(dataset, "SOPClassUID") == uid.SecondaryCaptureImageStorage


def _words(dataset: Dataset, keywords: Iterable[str]) -> str:
    return " ".join(" ".join(texts(dataset, keyword)) for keyword in keywords)


def _shown(found: str, length: int = 16) -> str:
    """Quote a coded value for a log line: short, printable, or "not given"."""
    return ascii(found[:length])[1:-1] if found else "not given"
