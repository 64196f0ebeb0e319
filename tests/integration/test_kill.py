"""Kill -9 at every step of the flow: what was acknowledged is delivered, once."""

import multiprocessing
import signal
from contextlib import contextmanager

import pytest

from dicom_node.errors import NodeError
from tests.factories.nodes import EVIDENCE, destination, get, save, send, wait_for_state
from tests.factories.nodes import settings as impatient
from tests.factories.radiographs import synthetic_dataset
from tests.peers import mortal_node
from tests.peers.mortal_node import POINTS
from tests.peers.pacs import PACS

FILMS = 3
START_S = 300.0
END_S = 300.0
# What the killed process had claimed is not waited for.
SHORT_LEASES = {"worker": {"lease_s": 5}, "delivery": {"lease_s": 2}}
# Each node is a fresh process, forked from one that has the libraries loaded.
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload([mortal_node.__name__])


@contextmanager
def running(values, point="never", count=1):
    """A node in a process of its own; its ports, and the process."""
    here, there = PROCESSES.Pipe(duplex=False)
    process = PROCESSES.Process(
        target=mortal_node.live, args=(values, point, count, there)
    )
    process.start()
    there.close()
    try:
        assert here.poll(START_S)
        yield here.recv(), process
    finally:
        process.kill()
        process.join()
        process.close()
        here.close()


def acknowledged(port, path):
    """Send one film; whether the node said Success."""
    try:
        (result,) = send(port, path)
    except NodeError:
        return False
    return result.status == 0x0000


@pytest.mark.slow
@pytest.mark.parametrize("point", POINTS)
def test_every_acknowledged_image_ends_delivered_exactly_once(tmp_path, point):
    films = [
        synthetic_dataset("CR", seed, rows=448, columns=400) for seed in range(FILMS)
    ]
    paths = {film.SOPInstanceUID: save(film, tmp_path) for film in films}
    # Not the first time: something is under way in every other step by then.
    count = 2 if point in ("sent", "recorded", "evidence stored") else 1
    pacs = PACS()
    with pacs.listening() as pacs_port:
        conf = impatient(
            tmp_path / "data",
            [destination("pacs", pacs_port)],
            model={"batch_size": 2},
            **SHORT_LEASES,
        ).model_dump(exclude={"database"}, by_alias=True)
        with running(conf, point, count) as (ports, process):
            said_success = {
                uid for uid, path in paths.items() if acknowledged(ports["dimse"], path)
            }
            process.join(END_S)
            assert process.exitcode == -signal.SIGKILL
        with running(conf) as (ports, process):
            # What was not acknowledged, a modality sends again.
            for uid, path in paths.items():
                assert uid in said_success or acknowledged(ports["dimse"], path)
            for uid in paths:
                wait_for_state(ports["http"], uid, "delivered")
            jobs = get(ports["http"], "/api/v1/jobs")["items"]
            process.terminate()
            process.join(END_S)
            assert process.exitcode == 0
    assert sorted(job["sop_instance_uid"] for job in jobs) == sorted(paths)
    assert_held_once(pacs, jobs)


def assert_held_once(pacs, jobs):
    """The PACS holds one object of each kind for each image, and never two contents
    under one UID, even where an answer was lost and the object came twice."""
    assert len(pacs.held) == FILMS * len(EVIDENCE)
    made = {row["sop_instance_uid"] for job in jobs for row in job["deliveries"]}
    assert set(pacs.held) == made
    assert set(pacs.stores) == set(pacs.held.items())
