import inspect
import itertools

import pytest

import dicom_node.errors
import inference.errors
import storage.errors
from dicom_node.errors import (
    ClassNotAccepted,
    NotEligible,
    PeerUnreachable,
    PixelsUndecodable,
)
from dicom_node.worklist.retry import (
    ANSWERS,
    BackOff,
    Cancel,
    Retry,
    StepBack,
    decide,
    reason,
)
from inference.errors import (
    ModelFailed,
    ModelUnreachable,
    OutOfMemory,
    UnsuitableImage,
)
from storage.errors import LeaseLost, StoreFull
from storage.records import Cause, Reason

BASES = {"NodeError", "InferenceError", "StorageError"}


def concrete_errors():
    modules = (dicom_node.errors, inference.errors, storage.errors)
    for module in modules:
        for name, kind in inspect.getmembers(module, inspect.isclass):
            if issubclass(kind, Exception) and name not in BASES:
                yield kind


@pytest.mark.parametrize("kind", list(concrete_errors()))
def test_every_concrete_error_has_its_own_row(kind):
    assert kind in ANSWERS


def test_no_row_stands_for_an_error_that_is_gone():
    assert set(ANSWERS) == set(concrete_errors())


def test_an_unsuitable_image_is_canceled_with_its_own_reason_and_no_alarm():
    decision = decide(UnsuitableImage("NO_LUNGS", "No lungs were found."), 1)
    assert decision == Cancel(Reason("NO_LUNGS", "No lungs were found.", Cause.IMAGE))


def test_what_is_not_eligible_is_canceled_with_its_code():
    decision = decide(NotEligible("VIEW_LATERAL", "A lateral view."), 1)
    assert decision == Cancel(Reason("VIEW_LATERAL", "A lateral view.", Cause.IMAGE))


def test_undecodable_pixels_are_not_tried_again():
    decision = decide(PixelsUndecodable("the JPEG stream ends early"), 1)
    wanted = Reason("PIXELS_UNDECODABLE", "the JPEG stream ends early")
    assert decision == Cancel(wanted)


def test_a_full_store_is_waited_for_however_long():
    assert isinstance(decide(StoreFull("full"), 1), Retry)
    assert isinstance(decide(StoreFull("full"), 1_000_000), Retry)


def test_a_failing_model_is_tried_three_times_more_and_then_canceled():
    decisions = [decide(ModelFailed("CUDA error"), attempt) for attempt in (1, 3, 4)]
    assert [type(decision) for decision in decisions] == [Retry, Retry, Cancel]


def test_a_kind_of_model_failure_is_answered_by_its_own_row():
    assert ANSWERS[OutOfMemory] is ANSWERS[ModelFailed]


def test_an_engine_that_does_not_answer_is_waited_for_however_long():
    assert isinstance(decide(ModelUnreachable("no answer"), 1_000_000), Retry)


def test_a_lost_lease_is_left_to_its_new_owner():
    assert decide(LeaseLost("another worker has it"), 1) == StepBack()


def test_an_unforeseen_error_is_tried_once_more_and_then_canceled():
    assert isinstance(decide(ZeroDivisionError(), 1), Retry)
    canceled = decide(ZeroDivisionError(), 2)
    assert isinstance(canceled, Cancel)
    assert canceled.reason.code == "INTERNAL_ERROR"


def test_the_text_of_an_unforeseen_error_stays_out_of_the_reason():
    assert "Doe" not in reason(ValueError("bad name Doe^Jane")).text


def test_a_refusal_by_a_peer_is_final_but_an_unreachable_one_is_waited_for():
    assert isinstance(decide(ClassNotAccepted(0x0122), 1), Cancel)
    assert isinstance(decide(PeerUnreachable("no route"), 99), Retry)


def test_waiting_doubles_up_to_its_limit():
    back_off = BackOff(first_s=30, longest_s=1800, random_=lambda: 0.5)
    waits = [back_off.after(attempt) for attempt in range(1, 9)]
    assert waits == [30, 60, 120, 240, 480, 960, 1800, 1800]


def test_waiting_is_jittered_by_a_quarter_either_way():
    bounds = [BackOff(30, 1800, lambda n=n: n).after(1) for n in (0.0, 0.999999)]
    assert bounds == pytest.approx([22.5, 37.5], rel=1e-3)


def test_waiting_never_overflows_after_days_of_attempts():
    assert BackOff(30, 1800, lambda: 0.5).after(100_000) == 1800


def test_waits_of_two_workers_differ():
    numbers = itertools.count()
    back_off = BackOff(30, 1800, lambda: (next(numbers) % 10) / 10)
    assert back_off.after(1) != back_off.after(1)
