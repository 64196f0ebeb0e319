"""Several models as one."""

import numpy as np
import pytest

from inference.errors import ManifestInvalid, ModelFailed
from inference.manifest import Thresholds
from inference.runners.ensemble import Ensemble
from tests.fakes.runner import (
    LEFT_LUNG,
    RIGHT_LUNG,
    ScriptedRunner,
    chest_prediction,
    scripted_manifest,
)

MANIFEST = scripted_manifest()
SIZE = MANIFEST.input_size_px
BATCH = np.zeros((2, 1, SIZE, SIZE), np.float32)


def mirror(box):
    x1, y1, x2, y2 = box
    return (1 - x2, y1, 1 - x1, y2)


CHEST = [((0.2, 0.3, 0.4, 0.5), 0.8)]
# a mirror image as a good network sees it: what lies on the left is the right lung
MIRRORED = chest_prediction(
    MANIFEST,
    [(mirror(box), score) for box, score in CHEST],
    right_lung=mirror(LEFT_LUNG),
    left_lung=mirror(RIGHT_LUNG),
)


def same(outputs, prediction):
    return all(
        np.allclose(outputs[name], values, atol=1e-5)
        for name, values in prediction.outputs.items()
    )


def test_a_film_and_its_mirror_image_are_asked_about_and_give_one_answer():
    chest = chest_prediction(MANIFEST, CHEST)

    def look(image):
        return chest if image[0, 0, 0] > 0 else MIRRORED

    runner = ScriptedRunner(look, MANIFEST)
    ensemble = Ensemble([runner], flip=True)
    ensemble.load()
    batch = BATCH.copy()
    batch[:, 0, 0, 0] = 1.0
    answers = ensemble.run(batch)
    assert runner.batches == [2, 2]
    assert len(answers) == 2
    assert all(same(one, chest) for one in answers)
    assert ensemble.manifest.name == "scripted.flip"
    ensemble.close()
    with pytest.raises(ModelFailed):
        ensemble.run(batch)


def test_every_member_is_asked_and_the_first_ones_thresholds_count():
    sure = ScriptedRunner(manifest=scripted_manifest(name="sure"))
    other = ScriptedRunner(
        manifest=scripted_manifest(name="other", thresholds=Thresholds(score=0.9))
    )
    ensemble = Ensemble([sure, other])
    ensemble.load()
    assert len(ensemble.run(BATCH)) == 2
    assert sure.batches == other.batches == [2]
    assert ensemble.manifest.name == "sure.other"
    assert ensemble.manifest.thresholds == Thresholds()


def test_results_of_an_ensemble_are_not_taken_for_a_members():
    alone = ScriptedRunner()
    digests = {
        alone.manifest.sha256,
        Ensemble([alone]).manifest.sha256,
        Ensemble([alone], flip=True).manifest.sha256,
        Ensemble([alone, alone]).manifest.sha256,
    }
    assert len(digests) == 4


def test_models_of_different_input_sizes_are_refused():
    other = ScriptedRunner(manifest=scripted_manifest(input_size_px=64))
    with pytest.raises(ManifestInvalid, match="one input size"):
        Ensemble([ScriptedRunner(), other])
    with pytest.raises(ManifestInvalid, match="one input size"):
        Ensemble([])


def test_models_of_different_tasks_are_refused():
    other = ScriptedRunner(manifest=scripted_manifest(task="views"))
    with pytest.raises(ManifestInvalid, match="one task"):
        Ensemble([ScriptedRunner(), other])


def test_an_ensemble_runs_where_its_members_run():
    ensemble = Ensemble([ScriptedRunner(), ScriptedRunner()])
    assert ensemble.describe().devices == ()
    ensemble.load()
    assert ensemble.describe().devices == ("Scripted",)
