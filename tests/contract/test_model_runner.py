"""What every ModelRunner owes its callers."""

from collections.abc import Callable, Iterator
from contextlib import closing

import numpy as np
import pytest

from inference.errors import ModelFailed
from inference.runners.engine import EnginePlace
from inference.runners.ensemble import Ensemble
from inference.runners.onnx import OnnxModelRunner
from inference.runners.remote import RemoteModelRunner
from inference.runners.runner import ModelRunner
from inference.tasks.table import task_of
from tests.factories.tiny_model import write_tiny_model
from tests.fakes.engine import Engine
from tests.fakes.runner import ScriptedRunner
from tests.peers.triton import triton_url

__all__ = ["triton_url"]

Make = Callable[[], ModelRunner]
TRITON = pytest.param("triton", marks=pytest.mark.big)


@pytest.fixture
def engine_url(tmp_path) -> Iterator[str]:
    """An engine that serves the tiny model."""
    with closing(OnnxModelRunner(tmp_path / "tiny", "cpu", threads=1)) as behind:
        behind.load()
        with Engine(behind).serving() as url:
            yield url


@pytest.fixture(params=["onnx", "scripted", "ensemble", "remote", TRITON])
def make(request, tmp_path) -> Make:
    if request.param == "scripted":
        return ScriptedRunner
    if request.param == "ensemble":
        return lambda: Ensemble([ScriptedRunner(), ScriptedRunner()], flip=True)
    write_tiny_model(tmp_path / "tiny")
    if request.param == "triton":
        url = request.getfixturevalue("triton_url")
        return lambda: RemoteModelRunner(tmp_path / "tiny", EnginePlace(urls=(url,)))
    if request.param == "remote":
        url = request.getfixturevalue("engine_url")
        return lambda: RemoteModelRunner(tmp_path / "tiny", EnginePlace(urls=(url,)))
    return lambda: OnnxModelRunner(tmp_path / "tiny", "cpu", threads=1)


@pytest.fixture
def runner(make: Make) -> Iterator[ModelRunner]:
    with closing(make()) as made:
        made.load()
        yield made


def batch_for(runner: ModelRunner, count: int) -> np.ndarray:
    size = runner.manifest.input_size_px
    greys = np.linspace(0.1, 0.9, count, dtype=np.float32)
    return np.broadcast_to(greys[:, None, None, None], (count, 1, size, size)).copy()


def test_the_manifest_is_there_before_the_model_is_loaded(make):
    assert make().manifest.input_size_px > 0


@pytest.mark.parametrize("count", [1, 2, 8])
def test_every_image_of_a_batch_gets_one_answer(runner, count):
    assert len(runner.run(batch_for(runner, count))) == count


def test_an_answer_has_the_names_and_shapes_that_the_task_says(runner):
    (answer,) = runner.run(batch_for(runner, 1))

    shapes = task_of(runner.manifest).shapes(runner.manifest)
    assert {name: values.shape for name, values in answer.items()} == shapes


def test_an_answer_is_float32_and_probabilities_lie_between_0_and_1(runner):
    (answer,) = runner.run(batch_for(runner, 1))

    assert {values.dtype for values in answer.values()} == {np.dtype(np.float32)}
    for name in ("scores", "masks", "dense", "image"):
        assert answer[name].min() >= 0
        assert answer[name].max() <= 1


def test_an_image_is_answered_alike_alone_and_in_a_batch(runner):
    batch = batch_for(runner, 3)

    together = runner.run(batch)
    alone = [runner.run(batch[place : place + 1])[0] for place in range(3)]

    for one, other in zip(together, alone, strict=True):
        np.testing.assert_allclose(one["dense"], other["dense"], atol=1e-5)
        np.testing.assert_allclose(one["scores"], other["scores"], atol=1e-5)


def test_it_says_where_it_runs_once_it_is_loaded(make):
    with closing(make()) as runner:
        assert runner.describe().engine
        assert runner.describe().devices == ()
        runner.load()
        assert runner.describe().devices


def test_running_before_loading_is_refused(make):
    runner = make()
    with pytest.raises(ModelFailed, match="not loaded"):
        runner.run(batch_for(runner, 1))


def test_running_after_closing_is_refused(runner):
    runner.close()
    with pytest.raises(ModelFailed, match="not loaded"):
        runner.run(batch_for(runner, 1))


def test_loading_and_closing_twice_is_harmless(runner):
    runner.load()
    assert runner.run(batch_for(runner, 1))
    runner.close()
    runner.close()


def test_a_closed_runner_can_be_loaded_again(runner):
    runner.close()
    runner.load()
    assert runner.run(batch_for(runner, 1))


@pytest.mark.parametrize(
    "spoil",
    [
        lambda batch: batch[0],
        lambda batch: batch[:0],
        lambda batch: batch[..., :-1],
        lambda batch: batch.astype(np.float64),
        lambda batch: np.repeat(batch, 3, axis=1),
    ],
    ids=["no batch axis", "empty", "another size", "float64", "three channels"],
)
def test_a_batch_of_another_shape_is_refused(runner, spoil):
    with pytest.raises(ModelFailed, match="batch"):
        runner.run(spoil(batch_for(runner, 2)))


def test_a_refused_batch_does_not_spoil_the_next(runner):
    with pytest.raises(ModelFailed):
        runner.run(batch_for(runner, 1)[0])
    assert runner.run(batch_for(runner, 1))
