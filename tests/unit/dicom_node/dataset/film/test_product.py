"""Only a word that names a derived product makes one."""

import pytest
from pydicom import config
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset

from dicom_node.dataset.film.product import derived_product


def typed(*values) -> Dataset:
    dataset = Dataset()
    element = DataElement(
        "ImageType", "CS", list(values), validation_mode=config.IGNORE
    )
    dataset.add(element)
    return dataset


@pytest.mark.parametrize(
    "values",
    [
        ("ORIGINAL", "PRIMARY"),
        ("DERIVED", "SECONDARY"),
        ("DERIVED", "SECONDARY", "", "CSA RESAMPLED"),
        ("DERIVED SECONDARY  CSA RESAMPLED",),
        ("DERIVED/SECONDARY",),
        ("DERIVED", "PRIMARY", "POST_PROCESSED", "", "", "", "", "", "100000"),
        ("ORIGINAL", "SECONDARY", "", "AXIAL"),
        ("MIXED", "PRIMARY"),
        ("", ""),
        ("DERIVED", "PRIMARY", "RT", "CHEST"),
        ("DERIVED", "SECONDARY", "PROCESSED", "COMPRESSED"),
    ],
)
def test_a_film_that_was_resampled_or_processed_is_still_the_film(values):
    assert derived_product(typed(*values)) == ""


@pytest.mark.parametrize(
    "values",
    [
        ("DERIVED", "PRIMARY", "", "BONE_SUPPRESSED_2"),
        ("DERIVED", "SECONDARY", "BONE SUPPRESSION"),
        ("DERIVED SECONDARY  BONE SUPPRESSED",),
        ("DERIVED", "PRIMARY", "RIB-SUPPRESSED"),
        ("DERIVED", "SECONDARY", "DUAL_ENERGY"),
        ("DERIVED", "SECONDARY", "", "SOFT TISSUE"),
        ("DERIVED", "SECONDARY", "", "BONE"),
        ("DERIVED", "SECONDARY", "SUBTRACTION"),
        ("DERIVED", "SECONDARY", "TEMPORAL DIFFERENCE"),
        ("ORIGINAL", "PRIMARY", "LOCALIZER"),
        ("ORIGINAL", "PRIMARY", "LOCALISER"),
        ("DERIVED", "SECONDARY", "REFORMATTED"),
        ("DERIVED", "PRIMARY", "", "STITCHED"),
        ("DERIVED", "SECONDARY", "SCREEN SAVE"),
        ("DERIVED", "SECONDARY", "SCREENSHOT"),
        ("DERIVED", "SECONDARY", "DOSE_REPORT"),
    ],
)
def test_the_name_of_a_derived_product_is_found_wherever_it_stands(values):
    assert derived_product(typed(*values))


def test_a_site_names_products_of_its_own():
    assert derived_product(typed("DERIVED", "PRIMARY", "V2_EDGE"), ["V2-edge"])
    assert not derived_product(typed("DERIVED", "PRIMARY", "V2_EDGES"), ["V2-edge"])
