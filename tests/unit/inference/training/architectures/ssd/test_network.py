"""Boxes are selected for a batch as torchvision selects them image by image."""

import pytest
import torch
from torchvision.models.detection._utils import BoxCoder
from torchvision.ops import nms

from inference.errors import TrainingError
from inference.training.architectures.ssd.network import (
    SsdNet,
    _decoded,
    _kept,
    build,
)
from inference.training.architectures.ssd.recipe import SsdNetwork

SMALL = SsdNetwork(input_px=64, candidates=12, detections=4)


def some_boxes(count: int) -> torch.Tensor:
    draw = torch.Generator().manual_seed(1)
    corner = torch.rand(2, count, 2, generator=draw) * 40
    return torch.cat((corner, corner + 4 + torch.rand(2, count, 2) * 30), dim=2)


def test_suppression_is_torchvisions():
    boxes = some_boxes(30)
    scores = torch.linspace(1, 0.1, 30).repeat(2, 1)
    kept = _kept(boxes, scores, 0.3)
    for place in range(2):
        wanted = nms(boxes[place], scores[place], 0.3)
        assert kept[place].nonzero()[:, 0].tolist() == sorted(wanted.tolist())


def test_boxes_are_decoded_as_torchvision_decodes_them():
    anchors = some_boxes(9)[0]
    offsets = torch.randn(9, 4, generator=torch.Generator().manual_seed(2))
    wanted = BoxCoder(weights=(10.0, 10.0, 5.0, 5.0)).decode_single(offsets, anchors)
    found = _decoded(offsets[None], anchors[None])[0]
    assert torch.allclose(found, wanted, atol=1e-4)


def a_truth(**more):
    told = {
        "boxes": torch.tensor([[10.0, 10.0, 40.0, 40.0]]),
        "labels": torch.ones(1, dtype=torch.int64),
        "known": True,
        "exhaustive": True,
    }
    return told | more


def test_films_whose_boxes_are_not_all_drawn_teach_nothing():
    torch.manual_seed(0)
    net = SsdNet(SMALL).train()
    images = torch.rand(2, 1, 64, 64)
    taught = net.losses(images, [a_truth(), a_truth(known=False)])
    assert taught.keys() == {"detection_class", "detection_box"}
    assert all(float(loss.detach()) > 0 for loss in taught.values())
    silent = net.losses(images, [a_truth(exhaustive=False), a_truth(known=False)])
    assert [float(loss.detach()) for loss in silent.values()] == [0.0]


def test_weights_of_another_trunk_are_refused(tmp_path):
    path = tmp_path / "last.pt"
    torch.save(SsdNet(SMALL).state_dict(), path)
    build(SMALL.model_copy(update={"weights": path}))
    torch.save({"conv1.weight": torch.zeros(3)}, path)
    with pytest.raises(TrainingError, match=r"last\.pt: no weights that fit backbone"):
        build(SMALL.model_copy(update={"weights": path}))
