"""A node whose inference engine is away: images come in, wait, and are analysed."""

import pytest

from dicom_node.node.doctor.contents import model as examine_model
from dicom_node.node.node import Node
from inference.errors import ModelUnreachable
from inference.manifest import write_manifest
from tests.factories.nodes import (
    EVIDENCE,
    destination,
    get,
    save,
    send,
    settings,
    wait_for_state,
)
from tests.factories.radiographs import synthetic_dataset
from tests.fakes.engine import Engine
from tests.fakes.runner import ScriptedRunner
from tests.peers.pacs import PACS
from tests.peers.ports import free_port


@pytest.fixture
def runner():
    runner = ScriptedRunner()
    runner.load()
    return runner


@pytest.fixture
def served(tmp_path, runner):
    """The keys of ``[model]`` for an engine on a port where nobody is yet; the port."""
    folder = tmp_path / "models" / "scripted"
    folder.mkdir(parents=True)
    write_manifest(folder, runner.manifest)
    port = free_port()
    return {
        "name": "scripted",
        "folder": folder.parent,
        "runner": "remote",
        "remote": {"urls": [f"http://127.0.0.1:{port}"]},
    }, port


@pytest.mark.slow
def test_an_engine_that_is_away_costs_no_image_and_no_attempt(served, runner, tmp_path):
    keys, port = served
    pacs = PACS()
    dataset = synthetic_dataset("CR", 0, rows=512, columns=448)
    with pacs.listening():
        to = [destination("PACS", pacs.port)]
        conf = settings(tmp_path / "data", to, model=keys)
        with Node(conf) as node:
            (taken,) = send(node, save(dataset, tmp_path))
            assert taken.error is None
            wait_for_state(node, dataset.SOPInstanceUID, "queued", "analysing")
            health = get(node, "/health/ready")
            assert "engine does not answer" in health["checks"]["worker"]
            assert pacs.held == {}
            with Engine(runner).serving(port):
                assert pacs.wait_for(len(EVIDENCE))
                wait_for_state(node, dataset.SOPInstanceUID, "delivered")
                assert get(node, "/health/ready")["checks"]["worker"] == "ok"


def test_doctor_says_which_model_the_engine_lacks(served, runner, tmp_path):
    keys, port = served
    conf = settings(tmp_path / "data", model=keys)
    with pytest.raises(ModelUnreachable, match="does not answer"):
        examine_model(conf)
    engine = Engine(runner)
    with engine.serving(port):
        assert "served by fake 1" in examine_model(conf)
        engine.name = "another-000000000000"
        with pytest.raises(ModelUnreachable, match="does not serve"):
            examine_model(conf)
