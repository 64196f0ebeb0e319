from xml.etree import ElementTree as ET

import numpy as np

from dicom_node.web.pages.drawing.outlines import Outline, outlines

SVG = "{http://www.w3.org/2000/svg}"


def test_outlines_lie_on_the_grid_of_the_film():
    square = np.array([[1, 2], [9, 2], [9, 8], [1, 2]], dtype=float)
    drawn = ET.fromstring(  # noqa: S314  drawn here
        outlines([Outline("a < b", square)], 30, 20, "lungs", "Lungs")
    )
    assert drawn.get("viewBox") == "0 0 30 20"
    (path,) = drawn.iter(f"{SVG}path")
    assert path.get("d") == "M1 2L9 2L9 8L1 2Z"
    assert path.find(f"{SVG}title").text == "a < b"
