"""Is this a frontal chest radiograph that we may analyse? If not, a coded reason.

Decided on the header alone, before the image is queued; the pixels have their own
say later. A header that says nothing is not held against a film, one that says
something else is. Attributes: DICOM PS3.3 C.7.6.3, C.8.1, C.8.11, C.8.6.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from pydicom import uid
from pydicom.dataset import Dataset

from dicom_node.dataset.attributes import integer, text
from dicom_node.dataset.film.age import age_years
from dicom_node.dataset.film.body_part import chest
from dicom_node.dataset.film.product import derived_product
from dicom_node.dataset.film.view import View, view_of
from dicom_node.dataset.quiet import quiet
from dicom_node.errors import NotEligible
from dicom_node.evidence.maker import MANUFACTURER

Policy = Literal["analyze", "refuse"]

_RADIOGRAPHS = frozenset(
    {uid.ComputedRadiographyImageStorage, uid.DigitalXRayImageStorageForPresentation}
)
_MONOCHROME = frozenset({"MONOCHROME1", "MONOCHROME2"})
# Terms of PS3.3 C.7.3.1.1.1 that name another examination than a radiograph. Of a CR
# or DX object anything else passes, also what no term is (RG, DR, XR): the SOP class
# has said what it is.
_OTHER_MODALITIES = frozenset(
    {
        *("MG", "RF", "XA", "CT", "MR", "PT", "NM", "US", "PX", "IO", "XC", "ES", "OP"),
        *("OPT", "OCT", "IVUS", "IVOCT", "SM", "GM", "ECG", "HD", "EPS", "BI", "BMD"),
        *(
            "BDUS",
            "DG",
            "TG",
            "LS",
            "LP",
            "LEN",
            "AR",
            "KER",
            "SRF",
            "VA",
            "DMS",
            "POS",
        ),
        *(
            "RTIMAGE",
            "RTDOSE",
            "RTSTRUCT",
            "RTPLAN",
            "RTRECORD",
            "SR",
            "KO",
            "PR",
            "SEG",
        ),
        *("DOC", "REG", "AU", "FID", "PLAN", "ASMT", "CTPROTOCOL", "M3D", "PA", "ANN"),
    }
)
_VIEW_CODES: Mapping[View, str] = {
    "lateral": "VIEW_LATERAL",
    "oblique": "VIEW_OBLIQUE",
    "other": "VIEW_OTHER",
}


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
    body_part_words
        Words of Body Part Examined that mean the chest at this site, beside those
        that are known.
    refused_views
        Views that are left out where a header names one.
    derived_products
        An image whose Image Type names a product that was computed from the film,
        such as bone suppression.
    refused_image_types
        Words of Image Type that name such a product at this site.
    accepted_modalities
        Modalities of a CR or DX object that pass although they name another kind of
        examination (RF, MG).
    """

    accept_for_processing: bool
    accept_secondary_capture: bool
    secondary_capture_modalities: frozenset[str]
    minimum_age_years: float
    minimum_size_px: int
    unknown_view: Policy
    unknown_body_part: Policy
    body_part_words: frozenset[str]
    refused_views: frozenset[View]
    derived_products: Policy
    refused_image_types: frozenset[str]
    accepted_modalities: frozenset[str]


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
        _check_image_type(dataset, rules)
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
            _check_image_type(dataset, rules)
            if _is_secondary_capture(dataset):
                # In colour or of many frames it is a snapshot, no digitised film.
                _check_pixels(dataset, rules)
        except NotEligible:
            return False
        named = chest(dataset, rules.body_part_words)
        return bool(named) and view_of(dataset) not in _VIEW_CODES


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
    if _is_secondary_capture(dataset):
        refused = modality not in rules.secondary_capture_modalities
    else:
        refused = modality in _OTHER_MODALITIES - rules.accepted_modalities
    if refused:
        raise NotEligible("MODALITY", f"The modality is {_shown(modality)}.")


def _check_image_type(dataset: Dataset, rules: EligibilityRules) -> None:
    if rules.derived_products == "analyze":
        return
    product = derived_product(dataset, rules.refused_image_types)
    if product:
        raise NotEligible(
            "IMAGE_TYPE", f"The image type names a derived product: {_shown(product)}."
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
    known = chest(dataset, rules.body_part_words)
    if known is False:
        part = _shown(text(dataset, "BodyPartExamined"))
        raise NotEligible("NOT_CHEST", f"The body part is not chest (named: {part}).")
    if known is None and _is_secondary_capture(dataset):
        raise NotEligible(
            "NOT_CHEST", "A Secondary Capture that does not say that it shows a chest."
        )
    if known is None and rules.unknown_body_part == "refuse":
        raise NotEligible("NOT_CHEST", "The header does not name the body part.")


def _check_view(dataset: Dataset, rules: EligibilityRules) -> None:
    view = view_of(dataset)
    if view in rules.refused_views and view in _VIEW_CODES:
        words = "of another part" if view == "other" else view
        raise NotEligible(_VIEW_CODES[view], f"The view is {words}.")
    if view is None and rules.unknown_view == "refuse":
        raise NotEligible("VIEW_UNKNOWN", "The header does not name the view.")


def _check_age(dataset: Dataset, rules: EligibilityRules) -> None:
    age = age_years(dataset)
    if age is not None and age < rules.minimum_age_years:
        raise NotEligible(
            "TOO_YOUNG",
            f"The patient is younger than {rules.minimum_age_years:g} years.",
        )


def _is_secondary_capture(dataset: Dataset) -> bool:
    return text(dataset, "SOPClassUID") == uid.SecondaryCaptureImageStorage


def _shown(found: str, length: int = 16) -> str:
    """Quote a coded value for a log line: short, printable, or "not given"."""
    return ascii(found[:length])[1:-1] if found else "not given"
