"""The outputs of a graph of this task, by name."""

import numpy as np

from inference.tasks.opacity.prediction import OUTPUTS, Prediction, shapes_of
from tests.fakes.runner import chest_prediction, scripted_manifest

MANIFEST = scripted_manifest()


def test_a_prediction_is_read_as_it_was_given():
    given = chest_prediction(MANIFEST, [((0.2, 0.3, 0.4, 0.5), 0.8)])
    read = Prediction.of(given.outputs)
    for name in OUTPUTS:
        np.testing.assert_array_equal(getattr(read, name), getattr(given, name))


def test_every_output_has_its_shape():
    given = chest_prediction(MANIFEST).outputs
    assert {name: values.shape for name, values in given.items()} == shapes_of(MANIFEST)
