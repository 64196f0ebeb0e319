"""Mask R-CNN behind the seam; what all architectures owe is in the contract suite."""

import pytest
import torch

from inference.training.architectures.mask_rcnn.architecture import MaskRcnn
from inference.training.architectures.mask_rcnn.recipe import MaskRcnnNetwork
from inference.training.architectures.table import ARCHITECTURES

SMALL = MaskRcnnNetwork(
    input_px=64,
    backbone="resnet18",
    fpn_channels=16,
    dense_channels=16,
    mask_channels=8,
    representation=16,
    anchor_sizes=(8, 16, 32),
    detections=4,
)


@pytest.mark.parametrize(
    ("heads", "silent"),
    [
        ({}, set()),
        ({"dense": False}, {"dense"}),
        ({"mask_rcnn": False}, {"boxes", "scores", "masks"}),
    ],
)
def test_a_head_that_is_not_trained_says_nothing(heads, silent):
    told = MaskRcnn().answering(SMALL.model_copy(update=heads)).taught
    assert {"boxes", "scores", "masks", "dense", "image"} - told == silent


def test_the_stages_that_are_frozen_are_in_no_group():
    network = MaskRcnn()
    net = network.build(SMALL.model_copy(update={"trainable_stages": 1}))
    trunk, heads = network.parameter_groups(net, 0.3)
    assert len(trunk["params"]) == len(list(net.backbone.layer4.parameters()))
    assert (trunk["factor"], heads["factor"]) == (0.3, 1.0)


def test_instances_come_surest_first_and_are_padded_even_from_half_precision():
    torch.manual_seed(0)
    network = MaskRcnn()
    net = network.build(SMALL).eval()
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        (answer,) = network.outputs(net, torch.rand(1, 1, 64, 64))
    scores = answer["scores"]
    assert scores.shape == (4,)
    assert list(scores) == sorted(scores, reverse=True)
    assert not answer["boxes"][scores == 0].any()


def test_the_kind_in_a_recipe_finds_it():
    assert isinstance(ARCHITECTURES[SMALL.kind], MaskRcnn)
