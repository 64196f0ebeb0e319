"""A repository for Triton: named after digests, whole, and as Triton reads it."""

import json
import subprocess

import pytest
from click.testing import CliRunner

from dicom_node.cli import cli
from inference.errors import DigestMismatch
from inference.runners.remote import engine_name
from inference.runners.repository import Serving, write_repository
from tests.factories.tiny_model import SIZE_PX, write_tiny_model
from tests.peers.triton import PYTHON

_PARSE = """
import sys
from google.protobuf import json_format, text_format
from tritonclient.grpc.model_config_pb2 import ModelConfig
config = text_format.Parse(open(sys.argv[1]).read(), ModelConfig())
print(json_format.MessageToJson(config, preserving_proto_field_name=True))
"""


def test_a_model_is_served_under_its_digest(tmp_path):
    manifest = write_tiny_model(tmp_path / "tiny")
    (place,) = write_repository([tmp_path / "tiny"], tmp_path / "served", Serving())
    assert place == tmp_path / "served" / engine_name(manifest)
    model = (tmp_path / "tiny" / "model.onnx").read_bytes()
    assert (place / "1" / "model.onnx").read_bytes() == model
    text = (place / "config.pbtxt").read_text()
    for name in ("images", *manifest.outputs):
        assert f'name: "{name}"' in text
    assert f"dims: [ 1, {SIZE_PX}, {SIZE_PX} ]" in text


def test_writing_again_changes_how_it_is_served_and_leaves_nothing_else(tmp_path):
    write_tiny_model(tmp_path / "tiny")
    for serving in (Serving(), Serving(largest_batch=32)):
        (place,) = write_repository([tmp_path / "tiny"], tmp_path / "served", serving)
    assert "max_batch_size: 32" in (place / "config.pbtxt").read_text()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["served", "tiny"]
    assert [path.name for path in (tmp_path / "served").iterdir()] == [place.name]


def test_a_model_that_is_not_as_its_manifest_says_is_not_written(tmp_path):
    write_tiny_model(tmp_path / "tiny", sha256="0" * 64)
    with pytest.raises(DigestMismatch):
        write_repository([tmp_path / "tiny"], tmp_path / "served", Serving())
    assert list((tmp_path / "served").iterdir()) == []


def test_the_command_writes_the_models_that_are_named(tmp_path):
    write_tiny_model(tmp_path / "models" / "tiny")
    done = CliRunner().invoke(
        cli,
        ["model", "export-repository", str(tmp_path / "served"), "tiny", "--cpu"],
        env={"CXR_NODE__MODEL__FOLDER": str(tmp_path / "models")},
    )
    assert done.exit_code == 0, done.output
    (place,) = (tmp_path / "served").iterdir()
    assert done.output.strip() == str(place)
    assert "KIND_CPU" in (place / "config.pbtxt").read_text()


@pytest.mark.big
def test_triton_reads_the_configuration_as_it_is_meant(tmp_path):
    if not PYTHON.exists():
        pytest.skip("Triton is not installed (scripts/install-test-engine)")
    manifest = write_tiny_model(tmp_path / "tiny")
    serving = Serving(largest_batch=4, batch_wait_ms=1.5, instances=2)
    (place,) = write_repository([tmp_path / "tiny"], tmp_path / "served", serving)
    said = subprocess.run(
        [str(PYTHON), "-c", _PARSE, str(place / "config.pbtxt")],
        capture_output=True,
        check=True,
    ).stdout
    told = json.loads(said)
    assert told["name"] == engine_name(manifest)
    assert told["max_batch_size"] == 4
    assert told["dynamic_batching"]["max_queue_delay_microseconds"] == "1500"
    assert told["instance_group"] == [{"count": 2}]
    assert [one["name"] for one in told["output"]] == list(manifest.outputs)
    assert told["model_warmup"][0]["inputs"]["images"]["zero_data"] is True
