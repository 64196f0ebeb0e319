"""Classifiers start from weights that fit, and say what does not."""

import pytest
import torch
from torchvision import models

from inference.errors import TrainingError
from inference.training.architectures.classifier.architecture import Classifier
from inference.training.architectures.classifier.network import ClassifierNet, build
from inference.training.architectures.classifier.recipe import ClassifierNetwork
from inference.training.architectures.classifier.trunks import FeatureTrunk
from inference.training.heat_maps import heat_map

SMALL = ClassifierNetwork(input_px=64, trunks=("cnn",))


@pytest.fixture
def resnet(tmp_path):
    torch.manual_seed(0)
    path = tmp_path / "resnet18.pth"
    model = models.resnet18(weights=None)
    torch.save(model.state_dict(), path)
    return path, model


def starting_from(path, *trunks):
    return SMALL.model_copy(update={"trunks": trunks, "weights": path})


def test_torchvisions_weights_give_torchvisions_features(resnet):
    path, model = resnet
    net = build(starting_from(path, "resnet18")).eval()
    picture = torch.rand(1, 3, 64, 64)
    with torch.inference_mode():
        wanted = model.eval()
        wanted.fc = torch.nn.Identity()
        assert torch.allclose(
            net.trunks[0](picture).mean(dim=(2, 3)), wanted(picture), atol=1e-5
        )


def test_the_statistics_of_pretrained_weights_rest_and_those_of_others_do_not(resnet):
    path, _ = resnet
    norms = [
        [one.training for one in net.modules() if isinstance(one, torch.nn.BatchNorm2d)]
        for net in (
            build(starting_from(path, "resnet18")).train(),
            build(starting_from(None, "resnet18")).train(),
        )
    ]
    assert not any(norms[0])
    assert all(norms[1])


def test_a_foreign_trunk_is_named(resnet):
    path, _ = resnet
    with pytest.raises(TrainingError, match=r"resnet18\.pth: no weights for conv0"):
        build(starting_from(path, "cnn"))
    with pytest.raises(TrainingError, match=r"one file for 2 trunks; name a folder"):
        build(starting_from(path, "cnn", "resnet18"))
    with pytest.raises(TrainingError, match=r"cnn\.pth: no such weights file"):
        build(starting_from(path.parent, "cnn"))


def test_a_gate_starts_from_a_folder_of_trunks(resnet):
    path, model = resnet
    plain = FeatureTrunk("cnn")
    torch.save(plain.state_dict(), path.parent / "cnn.pth")
    net = build(starting_from(path.parent, "cnn", "resnet18"))
    assert torch.equal(net.trunks[0].state_dict()["conv0.weight"], plain[0].weight)
    assert torch.equal(net.trunks[1].state_dict()["conv1.weight"], model.conv1.weight)
    assert net.head.in_features == 128 + 512


def test_an_earlier_run_of_another_shape_is_refused(tmp_path):
    path = tmp_path / "last.pt"
    torch.save({"ema": ClassifierNet(SMALL).state_dict()}, path)
    assert build(starting_from(path, "cnn")).head.in_features == 128
    with pytest.raises(TrainingError, match="of another network than this"):
        build(starting_from(path, "resnet18"))


def test_a_stride_that_a_trunk_has_not_is_refused():
    with pytest.raises(TrainingError, match="stride_in_1x1: cnn has no such stride"):
        build(SMALL.model_copy(update={"stride_in_1x1": True}))


def test_a_sick_film_weighs_as_the_recipe_says():
    weighed = SMALL.model_copy(update={"positive_weight": 3.0, "dropout": 0.0})
    losses = []
    for network in (SMALL.model_copy(update={"dropout": 0.0}), weighed):
        torch.manual_seed(0)
        net = ClassifierNet(network)
        targets = {"image": torch.ones(1, 2), "image_weight": torch.ones(1, 2)}
        losses.append(Classifier().losses(net, torch.rand(1, 1, 64, 64) * 0, targets))
    plain, heavy = losses
    assert torch.isclose(heavy["image_opacity"], 3 * plain["image_opacity"])
    assert torch.isclose(heavy["image_frontal"], plain["image_frontal"])


def test_the_heat_lies_where_the_score_comes_from():
    torch.manual_seed(0)
    net = ClassifierNet(SMALL).eval()
    with torch.no_grad():
        for name, value in net.named_parameters():
            value.fill_(0.0 if name.endswith("bias") else 0.01)
    image = torch.full((1, 1, 64, 64), SMALL.grey_mean)
    image[..., 8:24, 40:56] = 1
    heat = heat_map(net, image)
    assert heat.shape == (64, 64)
    assert heat.max() > 0.9
    assert heat[8:24, 40:56].mean() > 5 * heat[40:, :24].mean()


@pytest.mark.slow
@pytest.mark.parametrize(
    "trunk",
    ["resnet50", "inception_v3", "vgg16", "densenet121", "efficientnet_b0"],
)
def test_each_trunk_gives_as_many_channels_as_it_says(trunk):
    made = FeatureTrunk(trunk).eval()
    with torch.inference_mode():
        assert made(torch.rand(1, 3, 96, 96)).shape[1] == made.channels
