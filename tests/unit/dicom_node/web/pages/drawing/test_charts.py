from xml.etree import ElementTree as ET

from dicom_node.web.pages.drawing.charts import bars, histogram


def test_each_value_is_a_bar_as_high_as_its_share():
    drawn = ET.fromstring(bars([0, 1, 2], ["a", "b", "c"], "films"))  # noqa: S314  drawn here
    heights = [float(one.get("height")) for one in drawn.iter("rect")]
    assert heights == [1.0, 19.0, 38.0]
    assert drawn.get("aria-label") == "films"


def test_names_cannot_become_markup():
    drawn = bars([1], ["<script>"], '"><script>')
    assert "<script>" not in drawn
    ET.fromstring(drawn)  # noqa: S314  drawn here


def test_no_value_is_an_empty_chart():
    assert list(ET.fromstring(bars([], [], "nothing"))) == []  # noqa: S314  drawn here


def test_a_histogram_has_every_value_in_one_bin_the_ends_too():
    assert histogram([0, 0.049, 0.5, 1.0, 1.5, -1], 1.0, 2) == [3, 3]
