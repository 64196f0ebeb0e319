"""Pushed Workitems step by step, without a node around them."""

import pytest

from dicom_node.retrieve.performer import Fetching, Performer
from dicom_node.retrieve.wado import FetchLimits
from dicom_node.worklist.procedure_step import ProcedureSteps
from dicom_node.worklist.unified.workitem_content import Place
from storage.worklist import workitems
from tests.factories.choices import timeouts
from tests.factories.rows import after, claim, new_uid, receive, settle
from tests.factories.workitems import STATION, a_step, an_input, worklist_at
from tests.peers.receiving import receiver


class Stumbling(ProcedureSteps):
    """Has a bug that one job meets."""

    def job(self, workitem_uid):
        if workitem_uid == "1.9.1":
            raise ZeroDivisionError
        return super().job(workitem_uid)


@pytest.fixture
def behind(tmp_path):
    with receiver(tmp_path) as behind:
        yield behind


def performer(behind, kind=ProcedureSteps):
    def clock():
        return after(2000)

    return Performer(
        behind.database,
        kind(behind.database, clock=clock, new_uid=new_uid),
        behind.reception,
        place=Place(STATION),
        fetching=Fetching([], FetchLimits(1, 1), {}, timeouts()),
        clock=clock,
        new_uid=new_uid,
    )


def push(behind, uid, *numbers, **changes):
    images = [f"1.2.3.{number}" for number in numbers]
    item = an_input("1.2.3", "1.2.3.0", *images)
    step = a_step(InputInformationSequence=[item], **changes)
    worklist_at(behind.database).create(uid, step, "PUSHER")


def look(behind, uid):
    return worklist_at(behind.database).retrieve(uid)


def test_progress_follows_the_jobs(behind):
    receive(behind.database, 1, 2)
    push(behind, "1.1", 1, 2)
    performing = performer(behind)
    assert performing.work()
    assert look(behind, "1.1").ProcedureStepState == "IN PROGRESS"
    (first, second) = claim(behind.database, limit=2)
    settle(behind.database, first)
    performing.work()
    (told,) = look(behind, "1.1").ProcedureStepProgressInformationSequence
    assert told.ProcedureStepProgress == 50
    settle(behind.database, second)
    performing.work()
    assert look(behind, "1.1").ProcedureStepState == "COMPLETED"
    assert not performing.work()


def test_one_that_stumbles_holds_up_no_other(behind):
    receive(behind.database, 1, 2)
    push(behind, "1.1", 1)
    push(behind, "1.2", 2)
    performer(behind, Stumbling).work()
    (told,) = look(behind, "1.1").ProcedureStepProgressInformationSequence
    assert told.ReasonForCancellation.startswith("INTERNAL_ERROR")
    assert look(behind, "1.2").ProcedureStepState == "IN PROGRESS"


def test_who_is_in_a_hurry_passes_the_queue(behind):
    receive(behind.database, 1, 2)
    push(behind, "1.1", 2, ScheduledProcedureStepPriority="HIGH")
    performer(behind).work()
    (next_one,) = claim(behind.database, limit=1)
    assert next_one.workitem_uid == "1.9.2"


def test_a_workitem_that_somebody_claimed_is_left_to_them(behind):
    receive(behind.database, 1)
    push(behind, "1.1", 1)
    worklist = worklist_at(behind.database)
    worklist.change_state("1.1", "IN PROGRESS", "2.25.1", "THEM")
    performer(behind).work()
    assert "ProcedureStepProgress" not in look(behind, "1.1")
    with behind.database.transaction() as tx:
        assert workitems.get(tx, "1.9.1").priority == 0


def test_a_cancellation_leaves_alone_what_others_sent(behind):
    receive(behind.database, 1)
    push(behind, "1.1", 1)
    performing = performer(behind)
    performing.work()
    request = a_step()
    request.clear()
    worklist_at(behind.database).request_cancel("1.1", request, "PUSHER")
    performing.work()
    assert look(behind, "1.1").ProcedureStepState == "CANCELED"
    assert look(behind, "1.9.1").ProcedureStepState == "SCHEDULED"
