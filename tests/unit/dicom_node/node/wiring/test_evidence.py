import pytest

from dicom_node.evidence.maker import ModelIdentity
from dicom_node.node.settings.load import Settings
from dicom_node.node.wiring.evidence import make_maker, style
from tests.fakes.runner import scripted_manifest

MODEL = ModelIdentity.of(scripted_manifest())


@pytest.mark.parametrize(
    "choice",
    [
        {"seg": {"viewer_geometry": "strict"}},
        {"sr": {"regions": "segmentation"}},
        {"sr": {"image_level": "tid1501"}},
        {"evidence": {"series_number_base": 5000}},
    ],
)
def test_what_changes_results_changes_their_uids(choice):
    usual = make_maker(Settings.load(), MODEL)
    other = make_maker(Settings.load(overrides=choice), MODEL)
    assert other.settings_digest != usual.settings_digest
    assert other.fingerprint != usual.fingerprint


def test_an_installation_without_a_serial_number_is_told_by_its_ae_title():
    assert make_maker(Settings.load(), MODEL).serial_number == "CXR_NODE"
    named = Settings.load(overrides={"evidence": {"device_serial_number": "S-1"}})
    assert make_maker(named, MODEL).serial_number == "S-1"


def test_results_are_written_as_the_settings_say():
    settings = Settings.load(
        overrides={
            "seg": {"viewer_geometry": "strict"},
            "sr": {"regions": "segmentation", "image_level": "tid1501"},
        }
    )
    chosen = style(settings)
    assert chosen.viewer_geometry == "strict"
    assert chosen.report_regions == "segmentation"
    assert chosen.image_level == "tid1501"
