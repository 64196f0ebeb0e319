"""What an engine elsewhere may answer, and what becomes of it."""

import ssl

import numpy as np
import pytest

from inference.errors import ModelFailed, ModelUnreachable, OutOfMemory
from inference.runners.engine import EnginePlace
from inference.runners.onnx import OnnxModelRunner
from inference.runners.remote import RemoteModelRunner, engine_name
from tests.factories.tiny_model import SIZE_PX, write_tiny_model
from tests.fakes.engine import Engine
from tests.peers.ports import free_port

TOKEN = "of-this-test"  # noqa: S105  no secret
BATCH = np.linspace(0.1, 0.9, 3 * SIZE_PX**2, dtype=np.float32).reshape(
    3, 1, SIZE_PX, SIZE_PX
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tiny")
    write_tiny_model(folder)
    return folder


@pytest.fixture(scope="module")
def local(folder):
    runner = OnnxModelRunner(folder, "cpu", threads=1)
    runner.load()
    return runner


@pytest.fixture
def engine(local):
    engine = Engine(local)
    with engine.serving():
        yield engine


@pytest.fixture
def remote(folder, engine):
    runner = RemoteModelRunner(folder, EnginePlace(urls=(engine.url,), token=TOKEN))
    yield runner
    runner.close()


def infers_as(status, said):
    return lambda path: (status, {"error": said}) if path.endswith("infer") else None


def test_the_answers_are_those_of_the_local_model_bit_by_bit(remote, local):
    remote.load()
    for there, here in zip(remote.run(BATCH), local.run(BATCH), strict=True):
        assert there.keys() == here.keys()
        for name in here:
            np.testing.assert_array_equal(there[name], here[name])
            assert there[name].flags.writeable


def test_the_name_on_the_engine_carries_the_digest(remote, engine):
    remote.load()
    manifest = remote.manifest
    assert engine_name(manifest) == f"tiny-{manifest.sha256[:12]}"
    assert any(
        f"/v2/models/tiny-{manifest.sha256[:12]}" in p for p, _ in engine.requests
    )


def test_nothing_is_asked_compressed_and_the_token_goes_along(remote, engine):
    remote.load()
    for _, headers in engine.requests:
        assert headers["Accept-Encoding"] == "identity"
        assert headers["Authorization"] == f"Bearer {TOKEN}"


@pytest.mark.parametrize(
    ("status", "said", "kind"),
    [
        (503, "overloaded", ModelUnreachable),
        (429, "slow down", ModelUnreachable),
        (502, "", ModelUnreachable),
        (504, "", ModelUnreachable),
        (401, "", ModelUnreachable),
        (404, "", ModelUnreachable),
        (400, "Request for unknown model: 'x' is not found", ModelUnreachable),
        (500, "CUDA out of memory. Tried to allocate", OutOfMemory),
        (500, "Failed to allocate memory for requested buffer", OutOfMemory),
        (400, "unexpected shape for input 'images'", ModelFailed),
        (500, "something else", ModelFailed),
    ],
)
def test_each_refusal_has_its_own_error(remote, engine, status, said, kind):
    remote.load()
    engine.refuse = infers_as(status, said)
    with pytest.raises(kind) as refusal:
        remote.run(BATCH)
    assert type(refusal.value) is kind
    engine.refuse = lambda _: None
    assert len(remote.run(BATCH)) == 3


def test_an_engine_that_is_not_there_is_unreachable_and_asked_again(folder, local):
    port = free_port()
    remote = RemoteModelRunner(
        folder, EnginePlace(urls=(f"http://127.0.0.1:{port}",), timeout_s=60)
    )
    with pytest.raises(ModelUnreachable, match="does not answer"):
        remote.load()
    with pytest.raises(ModelUnreachable):
        remote.run(BATCH)
    assert remote.describe().devices == ()
    with Engine(local).serving(port):
        assert len(remote.run(BATCH)) == 3
        assert remote.describe().devices
    with pytest.raises(ModelUnreachable):
        remote.run(BATCH)
    assert remote.describe().devices == ()
    with Engine(local).serving(port):
        assert len(remote.run(BATCH)) == 3
    remote.close()


def test_another_engine_answers_for_one_that_does_not(folder, engine):
    away = f"http://127.0.0.1:{free_port()}"
    remote = RemoteModelRunner(folder, EnginePlace(urls=(away, engine.url)))
    remote.load()
    for _ in range(3):
        assert len(remote.run(BATCH)) == 3
    remote.close()


def renamed(told):
    told["outputs"][0]["name"] = "other"
    return told


def retyped(told):
    told["outputs"][0]["datatype"] = "FP16"
    return told


def reshaped(told):
    told["outputs"][0]["shape"][-1] += 1
    return told


def enlarged(told):
    return {"outputs": [{**one, "shape": [1 << 40]} for one in told["outputs"]]}


def emptied(_):
    return {}


@pytest.mark.parametrize("spoil", [renamed, retyped, reshaped, enlarged, emptied])
def test_an_answer_of_another_shape_fails(remote, engine, spoil):
    remote.load()
    engine.spoil = spoil
    with pytest.raises(ModelFailed, match="engine"):
        remote.run(BATCH)


@pytest.mark.parametrize("spoil", [renamed, retyped, reshaped, emptied])
def test_a_model_of_another_shape_is_refused_at_the_start(remote, engine, spoil):
    engine.spoil = spoil
    with pytest.raises(ModelFailed, match="engine"):
        remote.load()


def test_an_engine_with_another_model_says_which_one_is_wanted(remote, engine):
    engine.name = "tiny-000000000000"
    with pytest.raises(ModelUnreachable, match="does not serve"):
        remote.load()


def test_an_engine_by_plain_http_where_tls_is_wanted_is_unreachable(folder, engine):
    place = EnginePlace(
        urls=(engine.url.replace("http:", "https:"),), tls=ssl.create_default_context()
    )
    remote = RemoteModelRunner(folder, place)
    with pytest.raises(ModelUnreachable):
        remote.load()
    remote.close()
