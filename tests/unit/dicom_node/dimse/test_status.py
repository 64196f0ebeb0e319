import inspect
from types import ModuleType

import pytest

from dicom_node import errors as node_errors
from dicom_node.dimse.status import STATUS, Status, is_stored, refusal, status_of
from dicom_node.errors import ClassNotAccepted, DatasetInvalid, PeerBusy, PeerRefused
from inference import errors as inference_errors
from storage import errors as storage_errors

BASES = {"NodeError", "StorageError", "InferenceError"}


def concrete(module: ModuleType) -> list[type[Exception]]:
    return [
        kind
        for name, kind in inspect.getmembers(module, inspect.isclass)
        if issubclass(kind, Exception)
        and kind.__module__ == module.__name__
        and name not in BASES
    ]


@pytest.mark.parametrize(
    "kind",
    [
        *concrete(node_errors),
        *concrete(storage_errors),
        *concrete(inference_errors),
    ],
)
def test_every_error_has_its_row(kind):
    assert kind in STATUS


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (storage_errors.StoreFull("full"), 0xA700),
        (storage_errors.DatabaseUnavailable("away"), 0xA700),
        (node_errors.DatasetInvalid("broken"), 0xC000),
        (node_errors.DatasetMismatch("other"), 0xA900),
        (storage_errors.DuplicateInstance("known"), 0x0111),
        (node_errors.NotEligible("VIEW_LATERAL", "lateral"), 0x0000),
        (node_errors.ClassNotAccepted(0x0122), 0x0122),
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
        (0xC000, PeerRefused),
        (0xC123, PeerRefused),
        (0x0110, PeerRefused),
        (0x0124, PeerRefused),
    ],
)
def test_a_failure_status_means_busy_refused_or_class_not_accepted(status, kind):
    assert not is_stored(status)
    error = refusal(status, "no")
    assert type(error) is kind
    assert f"{status:04X}" in str(error)
    assert "no" in str(error)
