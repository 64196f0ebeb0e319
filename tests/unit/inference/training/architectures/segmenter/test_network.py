"""U-Nets of every form give maps of half size, and start from weights that fit."""

import pytest
import torch
from torchvision import models

from inference.errors import TrainingError
from inference.training.architectures.segmenter.network import SegmenterNet, build
from inference.training.architectures.segmenter.recipe import SegmenterNetwork

SMALL = SegmenterNetwork(input_px=64, encoder="plain", filters=4)


@pytest.mark.parametrize("layers", [2, 3])
def test_the_forms_of_the_plain_one_differ_in_their_blocks(layers):
    net = SegmenterNet(SMALL.model_copy(update={"block_layers": layers})).eval()
    convolutions = [
        one for one in net.backbone.down[0] if isinstance(one, torch.nn.Conv2d)
    ]
    assert len(convolutions) == layers
    with torch.inference_mode():
        said = net(torch.rand(2, 1, 64, 64))
    assert said["dense"].shape == (2, 3, 32, 32)
    assert said["image"].shape == (2, 2)


def test_a_film_shows_what_a_spot_of_its_map_shows(monkeypatch):
    net = SegmenterNet(SMALL).eval()
    logits = torch.full((1, 3, 32, 32), -9.0)
    logits[0, 0, 8:16, 8:16] = logits[0, 1, :, :12] = logits[0, 2, :, 20:] = 9.0
    monkeypatch.setattr(net, "logits", lambda _: logits)
    assert net(torch.rand(1, 1, 64, 64))["image"].gt(0.95).all()
    logits[0, 2] = -9.0  # one lung is no frontal film
    assert net(torch.rand(1, 1, 64, 64))["image"][0, 1] < 0.05


def test_an_encoder_starts_from_torchvisions_weights(tmp_path):
    path = tmp_path / "resnet18.pth"
    model = models.resnet18(weights=None)
    torch.save(model.state_dict(), path)
    shape = {"encoder": "resnet18", "weights": path}
    net = build(SMALL.model_copy(update=shape))
    encoder = net.backbone.encoder
    assert torch.equal(encoder.layer4[1].conv2.weight, model.layer4[1].conv2.weight)
    grey = model.conv1.weight.sum(dim=1, keepdim=True)
    assert torch.allclose(encoder.conv1.weight, grey)
    with pytest.raises(TrainingError, match="a plain U-Net starts from no trunk"):
        build(SMALL.model_copy(update={"weights": path}))
    with pytest.raises(TrainingError, match=r"no weights that fit layer1\.2"):
        build(SMALL.model_copy(update=shape | {"encoder": "resnet34"}))
