"""Answers are kept and given again."""

import numpy as np

from inference.training.evaluation.remember import RememberingRunner
from tests.fakes.runner import ScriptedRunner, chest_prediction, scripted_manifest

MANIFEST = scripted_manifest()
SIZE = MANIFEST.input_size_px


def by_grey(image):
    return chest_prediction(MANIFEST, [((0.2, 0.3, 0.4, 0.5), float(image.max()))])


def batch_of(*greys):
    return np.stack([np.full((1, SIZE, SIZE), grey, np.float32) for grey in greys])


def remembering(folder, **changes):
    runner = ScriptedRunner(by_grey, scripted_manifest(**changes))
    wrapped = RememberingRunner(runner, folder)
    wrapped.load()
    return runner, wrapped


def test_only_new_films_reach_the_network_and_answers_keep_their_order(tmp_path):
    runner, wrapped = remembering(tmp_path / "kept")
    wrapped.run(batch_of(0.3, 0.5))
    answers = wrapped.run(batch_of(0.7, 0.5, 0.9))
    assert runner.batches == [2, 2]
    assert [float(one["scores"][0]) for one in answers] == [
        np.float32(grey) for grey in (0.7, 0.5, 0.9)
    ]
    expected = by_grey(batch_of(0.5)[0])
    for name in expected.__slots__:
        assert np.array_equal(answers[1][name], getattr(expected, name))


def test_another_model_is_asked_anew(tmp_path):
    _, wrapped = remembering(tmp_path)
    wrapped.run(batch_of(0.3))
    other, wrapped_other = remembering(tmp_path, sha256="1" * 64)
    wrapped_other.run(batch_of(0.3))
    assert other.batches == [1]
    again, wrapped_again = remembering(tmp_path)
    wrapped_again.run(batch_of(0.3))
    assert again.batches == []
