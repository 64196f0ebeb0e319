"""Workitems that look at several images, on both databases."""

import pytest

from storage.catalog import instances, retention
from storage.records import Reason
from storage.worklist import history, jobs, repeats, workitems
from tests.factories.rows import (
    a_workitem,
    after,
    an_instance,
    claim,
    new_uid,
    receive,
    settle,
    steps_at,
)

BOTH = ("1.2.3.1", "1.2.3.2")


@pytest.fixture
def pair(database):
    """Two images, and one Workitem that looks at both."""
    with database.transaction() as tx:
        instances.add_instance(tx, an_instance(1))
        lateral = Reason("VIEW_LATERAL", "A lateral view.")
        instances.add_instance(tx, an_instance(2, not_eligible=lateral))
        workitems.schedule(tx, a_workitem(1, inputs=BOTH))
    return database


def test_a_workitem_looks_at_its_own_image_unless_it_is_said(database):
    receive(database, 1)
    (item,) = claim(database)
    assert item.inputs == ("1.2.3.1",)
    with pytest.raises(ValueError, match="first input"):
        a_workitem(1, inputs=("1.2.3.2",))


def test_whoever_reads_a_workitem_sees_all_its_inputs(pair):
    with pair.transaction(read_only=True) as tx:
        listed = jobs.list_jobs(tx).items
        read = [
            workitems.get(tx, "1.9.1"),
            workitems.find(tx, "1.2.3.1"),
            jobs.get_job(tx, "1.9.1").workitem,
            instances.get_status(tx, "1.2.3.1").workitem,
            *(one.workitem for one in listed),
        ]
    assert {item.inputs for item in [*read, *claim(pair)]} == {BOTH}
    assert [one.workitem.workitem_uid for one in listed] == ["1.9.1"]


def test_a_repetition_looks_at_the_same_images(pair):
    settle(pair, *claim(pair))
    with pair.transaction() as tx:
        second = repeats.reprocess(tx, "1.9.1", after(2000), new_uid)
        new = workitems.get(tx, second)
        assert new.inputs == BOTH
        (earlier,) = history.earlier_jobs(tx, new)
    assert earlier.workitem.inputs == BOTH


def test_an_image_is_kept_while_another_images_workitem_needs_it(pair):
    def expired():
        with pair.transaction(read_only=True) as tx:
            found = retention.expired_sources(tx, after(9000))
        return [one.sop_instance_uid for one in found]

    assert expired() == []
    steps_at(pair, 10).request_cancel("1.9.1")
    assert sorted(expired()) == list(BOTH)
