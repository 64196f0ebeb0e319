import dataclasses

import pytest
from pydicom.uid import UID

from dicom_node.evidence.kinds import EvidenceKind
from dicom_node.evidence.maker import ModelIdentity
from tests.factories.analyses import a_maker, a_style
from tests.fakes.runner import scripted_manifest

MANIFEST = scripted_manifest()


def with_other(table, **values):
    changed = dataclasses.replace(getattr(MANIFEST, table), **values)
    return dataclasses.replace(MANIFEST, **{table: changed})


@pytest.mark.parametrize(
    "change",
    [
        {"settings_digest": "other"},
        {"software_version": "0.3.0"},
        {"serial_number": "other"},
        {"model": ModelIdentity("scripted", "1", "12" * 32)},
        {"model": ModelIdentity("scripted", "9", "00" * 32)},
        {"model": ModelIdentity.of(with_other("thresholds", opacity=0.123))},
        {"model": ModelIdentity.of(with_other("calibration", bias=0.123))},
    ],
)
def test_anything_that_changes_a_result_changes_its_uid_and_the_fingerprint(change):
    usual, other = a_maker(), a_maker(**change)
    assert other.uid("1.2.3", "a", "pdf") != usual.uid("1.2.3", "a", "pdf")
    assert other.fingerprint != usual.fingerprint


def test_other_bytes_another_image_and_another_kind_have_other_uids():
    maker = a_maker()
    named = {
        maker.uid(image, sha256, kind)
        for image in ("1.2.3", "1.2.4")
        for sha256 in ("a", "b")
        for kind in EvidenceKind
    }
    assert len(named) == 4 * len(EvidenceKind)


@pytest.mark.parametrize(
    "root", ["1.2.826.0.1.3680043.8.498", "1.2.826.0.1." + "9" * 40]
)
def test_a_site_root_is_kept_within_the_length_of_a_uid(root):
    maker = a_maker(uid_root=root)
    for uid in (maker.uid("1.2.3", "a", "pdf"), maker.device_uid):
        assert uid.startswith(root + ".")
        assert UID(uid).is_valid


def test_what_is_replaced_is_named_anew():
    usual = a_maker()
    other = dataclasses.replace(usual, serial_number="other")
    assert other == a_maker(serial_number="other")
    assert other.fingerprint == a_maker(serial_number="other").fingerprint
    assert other.device_uid != usual.device_uid


def test_a_model_can_be_named_that_is_not_here_any_more():
    gone = ModelIdentity("old", "7", "ab" * 32)
    assert gone.words == "old 7 (SHA-256 abababababab)"
    assert a_maker(model=gone).fingerprint != a_maker().fingerprint


def test_a_rewritten_report_stands_in_the_series_of_the_usual_one():
    style = a_style(series_number_base=500)
    assert style.series_number(EvidenceKind.SEGMENTATION) == 500
    assert style.series_number(EvidenceKind.ENHANCED_REPORT) == style.series_number(
        EvidenceKind.MEASUREMENT_REPORT
    )
