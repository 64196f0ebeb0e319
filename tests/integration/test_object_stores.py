"""A node whose objects are in a bucket: received, delivered, moved there and back."""

import uuid

import pytest
from click.testing import CliRunner

from dicom_node.cli import cli
from dicom_node.node.doctor.contents import store as examine_store
from dicom_node.node.roles import Role
from dicom_node.node.wiring.storage import make_file_store, make_s3_store
from storage.errors import StoreMismatch, StoreUnavailable
from tests.factories.nodes import (
    EVIDENCE,
    destination,
    save,
    scripted_node,
    send,
    settings,
    wait_until,
)
from tests.factories.radiographs import synthetic_dataset
from tests.peers import s3
from tests.peers.pacs import PACS
from tests.peers.postgres import new_database, postgres_url
from tests.peers.s3 import moto_url

__all__ = ["moto_url", "postgres_url"]


@pytest.fixture
def objects(moto_url):
    """The keys of ``[objects]`` for a bucket of one's own."""
    name = f"b{uuid.uuid4().hex}"
    s3.make_bucket(moto_url, name)
    return s3.section(moto_url, name)


@pytest.fixture
def pacs():
    pacs = PACS()
    with pacs.listening():
        yield pacs


def film(folder, seed=0):
    dataset = synthetic_dataset("CR", seed, rows=512, columns=448)
    return save(dataset, folder)


def test_hosts_with_a_database_and_a_bucket_alone_in_common_are_one_node(
    postgres_url, objects, pacs, tmp_path
):
    with new_database(postgres_url, "hosts") as url:
        to = [destination("PACS", pacs.port)]
        hosts = {
            role: settings(
                tmp_path / role,
                to,
                database={"url": url},
                objects=objects,
                delivery={"separate": True, "probe_s": 0.2, "first_retry_s": 0.2},
            )
            for role in ("receive", "work", "deliver")
        }
        migrated = CliRunner().invoke(
            cli, ["migrate"], env={"CXR_NODE__DATABASE__URL": url}
        )
        assert migrated.exit_code == 0, migrated.output
        with (
            scripted_node(hosts["receive"], Role.RECEIVE) as door,
            scripted_node(hosts["work"], Role.WORK),
            scripted_node(hosts["deliver"], Role.DELIVER),
        ):
            (result,) = send(door, film(tmp_path))
            assert result.error is None
            assert wait_until(lambda: len(pacs.held) == len(EVIDENCE), 30)
    assert not list((tmp_path / "work" / "cache" / "lent").iterdir())


def test_an_image_is_not_acknowledged_while_the_object_store_is_away(objects, tmp_path):
    relay = s3.Relay(objects["endpoint"])
    with relay.running() as url:
        here = settings(
            tmp_path / "data", objects={**objects, "endpoint": url, "retry_s": 0.1}
        )
        with scripted_node(here, Role.RECEIVE) as node:
            relay.cut = True
            (refused,) = send(node, film(tmp_path))
            relay.cut = False
            (taken,) = send(node, film(tmp_path))
    assert "A700" in str(refused.error)
    assert taken.error is None


def test_a_store_moves_to_a_bucket_and_back(objects, tmp_path):
    data = tmp_path / "data"
    files = settings(data, objects={**objects, "kind": "file"})
    bucket = settings(data, objects=objects)
    environment = {
        f"CXR_NODE__OBJECTS__{key.upper()}": str(value)
        for key, value in objects.items()
        if key != "kind"
    } | {"CXR_NODE__NODE__DATA_DIR": str(data)}

    def copy(*words):
        return CliRunner().invoke(cli, ["objects", "copy", *words], env=environment)

    with scripted_node(files, Role.RECEIVE) as node:
        send(node, film(tmp_path, 1))
        running = copy("--to", "s3")
        assert running.exit_code == 0, running.output
        send(node, film(tmp_path, 2))
    last = copy("--to", "s3")
    assert "1 objects were copied" in last.output
    with scripted_node(bucket, Role.RECEIVE) as node:
        send(node, film(tmp_path, 3))
    refused = copy("--to", "s3")
    assert refused.exit_code == 1
    assert "newer" in refused.output
    back = copy("--from", "s3")
    assert back.exit_code == 0, back.output
    there, here = make_s3_store(bucket), make_file_store(files)
    assert sorted(here.keys()) == sorted(there.keys())
    assert len(list(here.keys())) == 3


def test_a_bucket_of_another_node_is_refused_at_the_start(objects, tmp_path):
    with scripted_node(
        settings(tmp_path / "one", objects=objects), Role.RECEIVE
    ) as one:
        send(one, film(tmp_path))
    other = settings(tmp_path / "other", objects={**objects, "kind": "file"})
    with scripted_node(other, Role.RECEIVE):
        pass
    with (
        pytest.raises(StoreMismatch),
        scripted_node(settings(tmp_path / "other", objects=objects), Role.RECEIVE),
    ):
        pass


def test_doctor_says_in_a_line_what_is_wrong_with_a_bucket(objects, tmp_path):
    assert "answers" in examine_store(settings(tmp_path, objects=objects))
    lost = settings(tmp_path, objects={**objects, "bucket": "lost"})
    with pytest.raises(StoreUnavailable, match="no such bucket"):
        examine_store(lost)
    with scripted_node(settings(tmp_path, objects=objects), Role.RECEIVE):
        pass
    assert "belongs" in examine_store(settings(tmp_path, objects=objects))
