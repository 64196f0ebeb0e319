"""Receiving with a real Ceph gateway that is killed again and again."""

import shutil
import threading
import uuid

import pytest

from dicom_node.node.roles import Role
from dicom_node.node.wiring.storage import make_s3_store
from storage.catalog import binding
from storage.database import Database
from tests.factories.nodes import save, scripted_node, send, settings
from tests.factories.radiographs import synthetic_dataset
from tests.peers import ceph, s3

pytestmark = pytest.mark.big
KILLS = 3
FILMS = 30


@pytest.fixture(scope="module")
def gateway():
    if shutil.which("radosgw", path=ceph._PATH) is None:
        pytest.skip("Ceph is not installed (radosgw)")
    with ceph.own_ceph() as gateway:
        yield gateway


def test_no_acknowledged_image_is_lost_when_the_gateway_is_killed(gateway, tmp_path):
    name = f"b{uuid.uuid4().hex}"
    s3.make_bucket(gateway.url, name)
    here = settings(
        tmp_path / "data",
        objects=s3.section(gateway.url, name, retry_s=0.2, timeout_s=20),
    )
    films = [
        save(synthetic_dataset("CR", seed, rows=512, columns=448), tmp_path)
        for seed in range(FILMS)
    ]
    outcomes = []
    enough = threading.Semaphore(0)
    with scripted_node(here, Role.RECEIVE) as node:

        def feed():
            for film in films:
                (result,) = send(node, film)
                outcomes.append(result.error)
                enough.release()

        feeder = threading.Thread(target=feed)
        feeder.start()
        for _ in range(KILLS):
            for _ in range(3):
                assert enough.acquire(timeout=120)
            gateway.kill()
            for _ in range(2):
                assert enough.acquire(timeout=120)
            gateway.start()
        feeder.join()
        refused = [
            film
            for film, error in zip(films, outcomes, strict=True)
            if error is not None
        ]
        assert refused, "the gateway was never missed"
        assert all("A700" in str(error) for error in outcomes if error is not None)
        for film in refused:
            (again,) = send(node, film)
            assert again.error is None
    store = make_s3_store(here)
    database = Database(f"sqlite:///{tmp_path / 'data' / 'node.db'}")
    try:
        with database.transaction(read_only=True) as tx:
            known = binding.referenced_keys(tx)
    finally:
        database.close()
    assert len(list(store.keys())) == FILMS
    for key in store.keys():  # noqa: SIM118  a store is no mapping
        store.verify(key)
    assert set(known) <= set(store.keys())
    shutil.rmtree(tmp_path / "data" / "cache")
