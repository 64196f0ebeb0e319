import pytest

from dicom_node import errors as node_errors
from dicom_node.dimse.status import (
    REACHED_FROM,
    STATUS,
    Status,
    is_stored,
    refusal,
    status_of,
)
from dicom_node.errors import (
    ClassNotAccepted,
    DatasetInvalid,
    PeerBusy,
    PeerRefused,
    PeerStumbled,
)
from storage import errors as storage_errors
from tests.factories import errors


def test_every_error_that_can_reach_a_service_has_its_row():
    assert errors.raised_in(REACHED_FROM) <= set(STATUS)


def test_no_row_stands_for_an_error_that_cannot():
    assert set(STATUS) <= errors.named_in(REACHED_FROM)


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (storage_errors.StoreFull("full"), 0xA700),
        (storage_errors.DatabaseUnavailable("away"), 0xA700),
        (node_errors.DatasetInvalid("broken"), 0xC000),
        (node_errors.DatasetMismatch("other"), 0xA900),
        (storage_errors.DuplicateInstance("known"), 0x0111),
        (node_errors.ClassNotAccepted(0x0122), 0x0122),
        (node_errors.EvidenceInvalid("not ours"), 0x0110),
        (ZeroDivisionError(), 0x0110),
    ],
)
def test_an_error_is_answered_with_its_status(error, status):
    assert status_of(error) == status


def test_an_error_without_a_row_is_answered_like_its_kind():
    class TooLong(DatasetInvalid):
        pass

    assert status_of(TooLong("x")) is Status.CANNOT_UNDERSTAND


@pytest.mark.parametrize("status", [0x0000, 0xB000, 0xB006, 0xB007, 0x0111])
def test_success_warnings_and_our_own_duplicate_mean_stored(status):
    assert is_stored(status)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (0xA700, PeerBusy),
        (0xA7FF, PeerBusy),
        (0x0213, PeerBusy),
        (0x0122, ClassNotAccepted),
        (0xA900, PeerRefused),
        (0xC000, PeerStumbled),
        (0xC123, PeerStumbled),
        (0x0110, PeerStumbled),
        (0x0124, PeerRefused),
    ],
)
def test_a_failure_status_means_busy_refused_stumbled_or_class_not_accepted(
    status, kind
):
    assert not is_stored(status)
    error = refusal(status, "no")
    assert type(error) is kind
    assert f"{status:04X}" in str(error)
    assert "no" in str(error)
