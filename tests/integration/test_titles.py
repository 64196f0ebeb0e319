"""Several AE titles: whose films pass the queue, are eligible, and go where."""

import pytest
from pynetdicom.ae import ApplicationEntity

from dicom_node.dimse.scu import storage
from dicom_node.dimse.scu.association import RemoteAE
from dicom_node.worklist.procedure_step import TURNS, ProcedureSteps
from storage.catalog import instances
from storage.records import Priority
from storage.worklist import workitems
from tests.factories.choices import timeouts
from tests.factories.nodes import (
    MODALITY,
    destination,
    get,
    save,
    scripted_node,
    settings,
    wait_for_state,
)
from tests.factories.radiographs import synthetic_dataset
from tests.factories.rows import a_workitem, after, an_instance, new_uid
from tests.peers.pacs import PACS

EMERGENCY, RESEARCH, CHILDREN = "CXR_ER", "CXR_RESEARCH", "CXR_CHILDREN"


def film(folder, seed, **values):
    dataset = synthetic_dataset("CR", seed, rows=512, columns=448, **values)
    return str(dataset.SOPInstanceUID), save(dataset, folder)


def send_to(node, title, path):
    remote = RemoteAE(title, "127.0.0.1", node.dimse_port)
    return list(storage.send([path], remote, calling_ae=MODALITY, timeouts=timeouts()))


@pytest.fixture
def pacs():
    pacs = PACS()
    with pacs.listening():
        yield pacs


@pytest.fixture
def node(tmp_path, pacs):
    titles = [
        {"ae_title": EMERGENCY, "priority": "high"},
        {"ae_title": RESEARCH, "destinations": [], "priority": "low"},
        {"ae_title": CHILDREN, "eligibility": {"minimum_age_years": 0}},
    ]
    conf = settings(
        tmp_path / "node",
        [destination("pacs", pacs.port)],
        dimse={"port": 0, "peers": [{"ae_title": MODALITY}], "titles": titles},
    )
    with scripted_node(conf) as node:
        yield node


def test_a_research_title_sends_nowhere(node, pacs, tmp_path):
    uid, path = film(tmp_path, 1)
    assert send_to(node, RESEARCH, path)[0].status == 0x0000
    wait_for_state(node, uid, "delivered")
    (job,) = get(node, f"/api/v1/jobs?sop_instance_uid={uid}")["items"]
    assert job["evidence"]
    assert job["deliveries"] == []
    assert job["priority"] == Priority.LOW
    other, path = film(tmp_path, 2)
    send_to(node, "CXR_NODE", path)
    wait_for_state(node, other, "delivered")
    assert pacs.held


def test_a_title_has_its_own_rules(node, tmp_path):
    uid, path = film(tmp_path, 3, PatientAge="005Y")
    send_to(node, CHILDREN, path)
    wait_for_state(node, uid, "delivered")
    same, path = film(tmp_path, 4, PatientAge="005Y")
    send_to(node, EMERGENCY, path)
    wait_for_state(node, same, "not eligible")


def test_a_title_that_is_none_of_ours_is_not_answered(node, tmp_path):
    _, path = film(tmp_path, 5)
    with pytest.raises(Exception, match="called AE title not recognised"):
        send_to(node, "CXR_OTHER", path)


def queued(database, *priorities):
    """Queue films, one after the other, of these priorities."""
    with database.transaction() as tx:
        for number, priority in enumerate(priorities, start=1):
            instances.add_instance(tx, an_instance(number))
            workitems.schedule(tx, a_workitem(number, priority=priority))


def claimed(steps, limit=1):
    found = steps.claim("worker-1", limit=limit, lease_s=60.0)
    return [int(item.workitem_uid.removeprefix("1.9.")) for item in found]


def make_steps(database):
    return ProcedureSteps(database, clock=lambda: after(1000), new_uid=new_uid)


def test_high_goes_before_medium_before_low_and_alike_by_their_wait(database):
    low, medium, high = Priority.LOW, Priority.MEDIUM, Priority.HIGH
    queued(database, low, medium, high, medium, high)
    steps = make_steps(database)
    assert [claimed(steps)[0] for _ in range(5)] == [3, 5, 2, 4, 1]


@pytest.mark.parametrize("limit", [1, TURNS])
def test_an_old_routine_film_gets_its_turn_whatever_comes(database, limit):
    queued(database, Priority.LOW, *[Priority.HIGH] * (4 * TURNS))
    steps = make_steps(database)
    places = []
    while 1 not in places:
        places += claimed(steps, limit)
    assert len(places) <= TURNS
    assert len(places) > 1 or limit > 1


@pytest.mark.parametrize(
    ("title", "said", "priority"),
    [
        ("", 1, Priority.HIGH),
        ("", 2, Priority.LOW),
        ("", 0, Priority.MEDIUM),
        (EMERGENCY, 2, Priority.HIGH),
        (RESEARCH, 1, Priority.LOW),
        (CHILDREN, 1, Priority.HIGH),
    ],
)
def test_the_title_decides_and_else_the_request(node, title, said, priority):
    image = synthetic_dataset("CR", 9, rows=512, columns=448)
    entity = ApplicationEntity(MODALITY)
    entity.add_requested_context(image.SOPClassUID, image.file_meta.TransferSyntaxUID)
    association = entity.associate(
        "127.0.0.1", node.dimse_port, ae_title=title or "CXR_NODE"
    )
    assert association.send_c_store(image, priority=said).Status == 0x0000
    association.release()
    uid = image.SOPInstanceUID
    (job,) = get(node, f"/api/v1/jobs?sop_instance_uid={uid}")["items"]
    assert job["priority"] == priority
