from xml.etree import ElementTree as ET

from dicom_node.web.pages.drawing.lungs import lungs
from inference.findings import Zone


def test_every_zone_says_its_percentage_and_has_its_colour():
    zones = dict.fromkeys(Zone, 0.0) | {Zone.LEFT_LOWER: 60.0, Zone.RIGHT_UPPER: 4.0}
    drawn = ET.fromstring(lungs(zones, "label", str))  # noqa: S314  drawn here
    said = {
        one.find("title").text: one.find("rect").get("class") for one in drawn.iter("g")
    }
    assert said["left lower: 60 %"] == "zone level4"
    assert said["right upper: 4 %"] == "zone level1"
    assert said["right middle: 0 %"] == "zone level0"
    assert len(said) == 6


def test_the_patients_right_is_at_the_left():
    drawn = ET.fromstring(lungs({}, "label", str))  # noqa: S314  drawn here
    places = {
        one.find("title").text: int(one.find("text").get("x"))
        for one in drawn.iter("g")
    }
    assert places["right upper: 0 %"] < places["left upper: 0 %"]
