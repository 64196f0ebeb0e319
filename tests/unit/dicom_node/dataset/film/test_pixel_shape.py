"""What a header says of the shape of pixels."""

import pytest
from pydicom.dataset import Dataset

from dicom_node.dataset.film.pixel_shape import aspect_of


@pytest.mark.parametrize(
    ("header", "aspect"),
    [
        ({}, 1.0),
        ({"PixelSpacing": [0.4, 0.2]}, 2.0),
        ({"ImagerPixelSpacing": [0.1, 0.2]}, 0.5),
        ({"NominalScannedPixelSpacing": [0.3, 0.2]}, 1.5),
        ({"PixelAspectRatio": ["3", "2"]}, 1.5),
        ({"PixelSpacing": [0.2, 0.2], "PixelAspectRatio": ["3", "2"]}, 1.0),
        ({"PixelSpacing": [0, 0.2], "PixelAspectRatio": ["3", "2"]}, 1.5),
        ({"PixelSpacing": [0.2, 0.203]}, 1.0),
        ({"PixelSpacing": [9, 0.2]}, None),
        ({"PixelAspectRatio": ["1", "5"]}, None),
    ],
)
def test_height_over_width_is_told_where_it_is_possible(header, aspect):
    dataset = Dataset()
    for keyword, value in header.items():
        setattr(dataset, keyword, value)
    assert aspect_of(dataset) == pytest.approx(aspect)
