"""The benchmark of the model times the network that is shipped."""

from contextlib import closing
from pathlib import Path

import numpy as np
import torch

from benchmarks.model import SHIPPED, network, some_films
from inference.runners.onnx import OnnxModelRunner


def test_the_network_that_is_timed_answers_as_the_shipped_graph() -> None:
    net = network(None)
    film = some_films(Path("nowhere"), net.recipe.input_px)[7]
    with closing(OnnxModelRunner(SHIPPED, "cpu", 1)) as runner:
        runner.load()
        shipped = runner.run(film[None])[0]
    with torch.inference_mode():
        found = net(torch.from_numpy(film)[None])["detections"][0]
    count = len(found["scores"])
    assert count > 0
    scores, boxes = found["scores"].numpy(), found["boxes"].numpy()
    assert np.allclose(shipped["scores"][:count], scores, atol=1e-4)
    assert np.allclose(shipped["boxes"][:count], boxes, atol=0.1)
    assert not shipped["scores"][count:].any()
