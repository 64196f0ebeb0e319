import pytest

from dicom_node.node.settings.load import Settings
from dicom_node.node.wiring.evidence import evidence_context
from tests.fakes.runner import scripted_manifest


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
    usual = evidence_context(Settings.load(), scripted_manifest())
    other = evidence_context(Settings.load(overrides=choice), scripted_manifest())
    assert other.config_digest != usual.config_digest


def test_results_are_written_as_the_settings_say():
    settings = Settings.load(
        overrides={
            "seg": {"viewer_geometry": "strict"},
            "sr": {"regions": "segmentation", "image_level": "tid1501"},
        }
    )
    context = evidence_context(settings, scripted_manifest())
    assert context.viewer_geometry == "strict"
    assert context.report_regions == "segmentation"
    assert context.image_level == "tid1501"
