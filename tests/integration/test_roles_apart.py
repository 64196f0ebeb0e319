"""Processes that deliver, beside workers of before and after the change-over."""

import pytest

from dicom_node.node.roles import Role
from tests.factories.nodes import (
    EVIDENCE,
    destination,
    get,
    save,
    scripted_node,
    send,
    settings,
    wait_for_state,
    wait_until,
)
from tests.factories.radiographs import synthetic_dataset
from tests.peers.pacs import PACS


@pytest.fixture
def pacs():
    pacs = PACS()
    with pacs.listening():
        yield pacs


@pytest.fixture
def film(tmp_path):
    dataset = synthetic_dataset("CR", 0, rows=512, columns=448)
    return dataset.SOPInstanceUID, save(dataset, tmp_path)


def conf(tmp_path, pacs, **delivery):
    patience = {"first_retry_s": 0.2, "longest_retry_s": 1, "probe_s": 0.2}
    to = [destination("PACS", pacs.port)]
    return settings(tmp_path / "data", to, delivery=patience | delivery)


def results(face, sop_instance_uid):
    """What was made of an image, sent or not."""
    uid = get(face, f"/api/v1/instances/{sop_instance_uid}")["workitem_uid"]
    return uid and get(face, f"/api/v1/jobs/{uid}")["evidence"]


def test_a_worker_that_knows_no_deliverers_sends_what_it_made(pacs, film, tmp_path):
    usual = conf(tmp_path, pacs)
    with (
        scripted_node(usual, Role.RECEIVE) as door,
        scripted_node(usual, Role.WORK),
    ):
        send(door, film[1])
        assert pacs.wait_for(len(EVIDENCE))


def test_results_wait_for_a_deliverer_where_they_are_apart(pacs, film, tmp_path):
    apart = conf(tmp_path, pacs, separate=True)
    with (
        scripted_node(apart, Role.RECEIVE) as door,
        scripted_node(apart, Role.WEB) as face,
        scripted_node(apart, Role.WORK),
    ):
        send(door, film[1])
        assert wait_until(lambda: results(face, film[0]))
        assert pacs.held == {}
        with scripted_node(apart, Role.DELIVER):
            assert pacs.wait_for(len(EVIDENCE))
            wait_for_state(face, film[0], "delivered")


def test_a_deliverer_beside_a_worker_of_before_sends_nothing_different(
    pacs, film, tmp_path
):
    before, after = conf(tmp_path, pacs), conf(tmp_path, pacs, separate=True)
    with (
        scripted_node(before, Role.RECEIVE) as door,
        scripted_node(before, Role.WEB) as face,
        scripted_node(before, Role.WORK),
        scripted_node(after, Role.DELIVER),
    ):
        send(door, film[1])
        assert pacs.wait_for(len(EVIDENCE))
        wait_for_state(face, film[0], "delivered")
    assert len(pacs.held) == len(EVIDENCE)
    for uid, content in pacs.stores:
        assert pacs.held[uid] == content
