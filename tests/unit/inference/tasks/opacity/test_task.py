"""The task of opacities behind the seam that runners and ensembles use."""

import numpy as np
import pytest

from inference.errors import ManifestInvalid
from inference.tasks.opacity.prediction import OUTPUTS
from inference.tasks.opacity.task import OpacityTask
from tests.fakes.runner import chest_prediction, scripted_manifest

MANIFEST = scripted_manifest()
TASK = OpacityTask()
OUTPUTS_OF_A_CHEST = chest_prediction(MANIFEST, [((0.2, 0.3, 0.4, 0.5), 0.8)]).outputs


@pytest.mark.parametrize(
    "change", [{"labels": ("nodule",)}, {"outputs": OUTPUTS[::-1]}]
)
def test_a_manifest_of_other_labels_or_outputs_is_refused(change):
    TASK.check(MANIFEST)
    with pytest.raises(ManifestInvalid):
        TASK.check(scripted_manifest(**change))


def test_named_arrays_are_read_as_a_prediction():
    assert TASK.decode(OUTPUTS_OF_A_CHEST).scores[0] == np.float32(0.8)


def test_turned_twice_an_answer_is_the_same_and_fused_with_itself_too():
    turned = TASK.unflipped(OUTPUTS_OF_A_CHEST, MANIFEST.input_size_px)
    back = TASK.unflipped(turned, MANIFEST.input_size_px)
    fused = TASK.fuse([back, OUTPUTS_OF_A_CHEST])
    for name in OUTPUTS:
        np.testing.assert_allclose(fused[name], OUTPUTS_OF_A_CHEST[name], atol=1e-4)
