import itertools

import pytest

from dicom_node.errors import (
    ClassNotAccepted,
    NotEligible,
    PeerRefused,
    PeerStumbled,
    PeerUnreachable,
    PixelsUndecodable,
)
from dicom_node.worklist.retry import (
    REACHED_FROM,
    REMEDIES,
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
from tests.factories import errors


def test_every_error_that_can_reach_worker_or_deliverer_has_its_own_row():
    assert errors.raised_in(REACHED_FROM) <= set(REMEDIES)


def test_no_row_stands_for_an_error_that_cannot():
    assert set(REMEDIES) <= errors.named_in(REACHED_FROM)


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
    assert REMEDIES[OutOfMemory] is REMEDIES[ModelFailed]


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


def test_a_peer_that_stumbles_is_tried_three_times_in_all():
    decisions = [decide(PeerStumbled(0xC123), attempt) for attempt in (1, 2, 3)]
    assert [type(decision) for decision in decisions] == [Retry, Retry, Cancel]


def test_a_refusal_for_good_is_not_tried_again():
    assert isinstance(decide(PeerRefused(0x0124), 1), Cancel)


def test_an_error_that_should_not_come_here_is_unforeseen():
    strangers = errors.every() - errors.named_in(REACHED_FROM)
    assert strangers
    for kind in strangers:
        error = kind.__new__(kind, "x")  # whatever else it is made of
        assert isinstance(decide(error, 1), Retry)
        assert isinstance(decide(error, 2), Cancel)


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
