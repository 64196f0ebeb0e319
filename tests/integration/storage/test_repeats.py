"""Doing a job again, on both kinds of database."""

import pytest

from storage.catalog import retention
from storage.errors import ObjectMissing, TransitionRefused, UnknownRecord
from storage.records import ModelName, NewDelivery, ProcedureStepState
from storage.worklist import repeats, workitems
from tests.factories.rows import after, an_evidence, claim, new_uid, receive, settle


def model(name, version):
    return ModelName(name, version, "ab" * 32)


def done(database, number, by=None):
    receive(database, number)
    (step,) = claim(database)
    settle(database, step, model=by)
    return step.workitem_uid


def reprocess(database, uid, **choices):
    with database.transaction() as tx:
        return repeats.reprocess(tx, uid, after(2000), new_uid, **choices)


def test_a_completed_job_is_replaced_by_a_new_one(database):
    first = done(database, 1)
    second = reprocess(database, first, priority=-1)
    with database.transaction(read_only=True) as tx:
        old, new = workitems.get(tx, first), workitems.get(tx, second)
        assert workitems.find(tx, "1.2.3.1") == new
    assert (old.state, old.replaced_by) == (ProcedureStepState.COMPLETED, second)
    assert (new.state, new.priority) == (ProcedureStepState.SCHEDULED, -1)


def test_fresh_films_go_before_those_that_are_reprocessed(database):
    second = reprocess(database, done(database, 1), priority=-1)
    receive(database, 2)
    claimed = claim(database, limit=2, now=after(3000))
    assert [step.workitem_uid for step in claimed] == ["1.9.2", second]


def test_what_is_under_way_or_replaced_is_not_reprocessed(database):
    receive(database, 1)
    with pytest.raises(TransitionRefused, match="not ended"):
        reprocess(database, "1.9.1")
    (step,) = claim(database)
    settle(database, step, (an_evidence(),), (NewDelivery("pacs", "1.7.1"),))
    with pytest.raises(TransitionRefused, match="not ended"):
        reprocess(database, "1.9.1")
    first = done(database, 2)
    reprocess(database, first)
    with pytest.raises(TransitionRefused, match="replaced by"):
        reprocess(database, first)
    with pytest.raises(UnknownRecord):
        reprocess(database, "1.1.1")


def test_an_image_that_retention_took_is_not_reprocessed(database):
    first = done(database, 1)
    with database.transaction() as tx:
        retention.forget_object(tx, "1.2.3.1", after(1))
    with pytest.raises(ObjectMissing):
        reprocess(database, first)
    with database.transaction(read_only=True) as tx:
        assert repeats.reprocessable(tx) == []


def test_those_of_a_model_or_received_since_are_chosen(database):
    done(database, 1, model("default", "1"))
    done(database, 2, model("default", "2"))
    done(database, 3)
    receive(database, 4)
    with database.transaction(read_only=True) as tx:
        assert repeats.reprocessable(tx) == ["1.9.1", "1.9.2", "1.9.3"]
        chosen = repeats.reprocessable(tx, model=("default", "2"))
        assert chosen == ["1.9.2"]
        assert repeats.reprocessable(tx, model=("2", "default")) == []
        assert repeats.reprocessable(tx, since=after(3)) == ["1.9.3"]
