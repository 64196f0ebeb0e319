"""What was not annotated teaches nothing, in any head."""

from pathlib import Path

import pytest
import torch

from inference.errors import TrainingError
from inference.training.architectures.mask_rcnn.instances import ProposalNetwork
from inference.training.architectures.mask_rcnn.network import (
    CxrNet,
    build,
)
from inference.training.architectures.mask_rcnn.recipe import MaskRcnnNetwork
from inference.training.architectures.targets import InstanceTarget, Targets
from inference.training.checkpoint import Checkpoint
from inference.training.recipe.recipe import Recipe, recipe_of

SIZE, HALF = 64, 32
RECIPE = MaskRcnnNetwork(
    input_px=SIZE,
    backbone="resnet18",
    fpn_channels=16,
    dense_channels=16,
    mask_channels=8,
    representation=16,
    anchor_sizes=(8, 16, 32),
    proposals_before_nms=30,
    proposals=12,
    detections=4,
    dropout=0.0,
)


@pytest.fixture
def net() -> CxrNet:
    torch.manual_seed(0)
    return build(RECIPE).train()


def instance(
    *,
    boxes: int = 1,
    mask: bool = True,
    known: bool = True,
    exhaustive: bool = True,
    ignored: tuple[tuple[float, ...], ...] = (),
) -> InstanceTarget:
    masks = torch.zeros(boxes, SIZE, SIZE, dtype=torch.uint8)
    masks[:, 10:40, 8:30] = int(mask)
    return InstanceTarget(
        boxes=torch.tensor([[8.0, 10.0, 30.0, 40.0]] * boxes).reshape(-1, 4),
        labels=torch.ones(boxes, dtype=torch.int64),
        masks=masks,
        has_mask=torch.full((boxes,), mask),
        ignored=torch.tensor(ignored).reshape(-1, 4),
        known=known,
        exhaustive=exhaustive,
    )


def batch(*instances: InstanceTarget, weight: float = 1.0) -> Targets:
    count = len(instances)
    truth = torch.zeros(count, 3, HALF, HALF)
    truth[:, :, 5:20, 4:15] = 1
    return Targets(
        instances=list(instances),
        dense={
            "truth": truth,
            "weight": torch.full_like(truth, weight),
            "overlap": torch.full((count, 3), weight > 0),
        },
        image=torch.ones(count, 2),
        image_weight=torch.ones(count, 2),
    )


def images(count: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(5)
    return torch.rand(count, 1, SIZE, SIZE, generator=generator)


def learn(net: CxrNet, pictures: torch.Tensor, targets: Targets) -> dict[str, float]:
    torch.manual_seed(3)
    net.zero_grad(set_to_none=True)
    losses = net(pictures, targets)
    torch.stack(list(losses.values())).sum().backward()
    return {name: float(loss.detach()) for name, loss in losses.items()}


def moved(module: torch.nn.Module) -> bool:
    return any(
        parameter.grad is not None and bool(parameter.grad.abs().sum() > 0)
        for parameter in module.parameters()
    )


def test_an_annotated_mask_teaches_every_head(net: CxrNet) -> None:
    losses = learn(net, images(2), batch(instance(), instance(boxes=0)))
    heads = (net.rpn, net.dense_head, net.image_head, net.roi_heads.mask_head)
    assert all(moved(head) for head in (*heads, net.roi_heads.box_head, net.backbone))
    assert losses["roi_mask"] > 0


def test_unknown_opacities_teach_neither_proposals_nor_regions(net: CxrNet) -> None:
    unknown = instance(boxes=0, known=False)
    losses = learn(net, images(2), batch(unknown, unknown))
    assert not moved(net.rpn)
    assert not moved(net.roi_heads)
    assert not {name for name in losses if name.startswith(("rpn", "roi"))}


def test_an_unknown_image_in_the_batch_changes_no_instance_gradient(
    net: CxrNet,
) -> None:
    pictures = images(2)
    learn(net, pictures[:1], batch(instance()))
    alone = [p.grad.clone() for p in net.rpn.parameters()]
    heads = [p.grad.clone() for p in net.roi_heads.parameters()]
    learn(net, pictures, batch(instance(), instance(boxes=0, known=False)))
    for before, after in zip(alone, net.rpn.parameters(), strict=True):
        assert torch.allclose(before, after.grad, atol=1e-5)
    for before, after in zip(heads, net.roi_heads.parameters(), strict=True):
        assert torch.allclose(before, after.grad, atol=1e-5)


def test_an_annotated_negative_in_the_batch_does_change_them(net: CxrNet) -> None:
    pictures = images(2)
    learn(net, pictures[:1], batch(instance()))
    alone = [p.grad.clone() for p in net.rpn.parameters()]
    learn(net, pictures, batch(instance(), instance(boxes=0)))
    same = [
        torch.allclose(before, after.grad, atol=1e-5)
        for before, after in zip(alone, net.rpn.parameters(), strict=True)
    ]
    assert not all(same)


def test_a_box_without_a_mask_teaches_no_mask(net: CxrNet) -> None:
    losses = learn(net, images(1), batch(instance(mask=False)))
    assert losses["roi_mask"] == 0
    assert not moved(net.roi_heads.mask_head)
    assert not moved(net.roi_heads.mask_predictor)
    assert moved(net.roi_heads.box_head)
    assert moved(net.rpn)


def test_incomplete_boxes_leave_no_anchor_as_background(net: CxrNet) -> None:
    rpn = net.rpn
    assert isinstance(rpn, ProposalNetwork)
    anchors = torch.tensor(
        [[8.0, 10.0, 30.0, 40.0], [40.0, 40.0, 60.0, 60.0], [0.0, 0.0, 9.0, 9.0]]
    )
    told = [dict(instance(exhaustive=False)), dict(instance())]
    labels, _ = rpn.assign_targets_to_anchors([anchors, anchors], told)
    assert labels[0].tolist() == [1, -1, -1]
    assert labels[1].tolist() == [1, 0, 0]


def test_incomplete_boxes_sample_no_background_region(net: CxrNet) -> None:
    told = instance(exhaustive=False)
    far = torch.tensor([[40.0, 40.0, 60.0, 60.0], [8.0, 10.0, 30.0, 40.0]])
    net.roi_heads._targets = [dict(told)]
    _, labels = net.roi_heads.assign_targets_to_proposals(
        [far], [told["boxes"]], [told["labels"]]
    )
    assert labels[0].tolist() == [-1, 1]


def test_where_readers_disagree_nothing_is_background(net: CxrNet) -> None:
    places = torch.tensor(
        [[8.0, 10.0, 30.0, 40.0], [40.0, 40.0, 60.0, 60.0], [0.0, 44.0, 9.0, 60.0]]
    )
    told = instance(ignored=((38.0, 38.0, 63.0, 55.0),))
    labels, _ = net.rpn.assign_targets_to_anchors([places], [dict(told)])
    assert labels[0].tolist() == [1, -1, 0]
    net.roi_heads._targets = [dict(told)]
    _, labels = net.roi_heads.assign_targets_to_proposals(
        [places], [told["boxes"]], [told["labels"]]
    )
    assert labels[0].tolist() == [1, -1, 0]


def test_an_ignored_box_hides_no_opacity(net: CxrNet) -> None:
    place = torch.tensor([[8.0, 10.0, 30.0, 40.0]])
    told = instance(ignored=((0.0, 0.0, 64.0, 64.0),))
    labels, _ = net.rpn.assign_targets_to_anchors([place], [dict(told)])
    assert labels[0].tolist() == [1]


def test_incomplete_and_empty_teaches_nothing_about_opacities(net: CxrNet) -> None:
    losses = learn(net, images(1), batch(instance(boxes=0, exhaustive=False)))
    assert losses["rpn_objectness"] == losses["roi_class"] == losses["roi_box"] == 0
    assert not moved(net.rpn)
    assert not moved(net.roi_heads)


@pytest.mark.parametrize("channel", [0, 1, 2])
def test_an_unannotated_channel_gets_no_gradient(net: CxrNet, channel: int) -> None:
    targets = batch(instance(boxes=0, known=False))
    targets["dense"]["weight"][:, channel] = 0
    targets["dense"]["overlap"][:, channel] = False
    learn(net, images(1), targets)
    rows = net.dense_head.logits.weight.grad.abs().sum(dim=(1, 2, 3))
    assert rows[channel] == 0
    assert (rows > 0).sum() == 2


def test_pixels_without_weight_teach_nothing(net: CxrNet) -> None:
    targets = batch(instance(boxes=0, known=False))
    targets["dense"]["weight"][:, :, :16] = 0
    first = learn(net, images(1), targets)
    targets["dense"]["truth"][:, :, :16] = 1 - targets["dense"]["truth"][:, :, :16]
    assert learn(net, images(1), targets) == first


def test_an_image_level_answer_nobody_gave_teaches_nothing(net: CxrNet) -> None:
    targets = batch(instance(boxes=0, known=False), weight=0)
    targets["image_weight"][:] = 0
    learn(net, images(1), targets)
    assert not moved(net)


def test_an_answer_has_the_promised_shapes(net: CxrNet) -> None:
    net.eval()
    with torch.inference_mode():
        answer = net(images(2))
    assert answer["dense"].shape == (2, 3, HALF, HALF)
    assert answer["image"].shape == (2, 2)
    assert len(answer["detections"]) == 2
    for found in answer["detections"]:
        count = len(found["boxes"])
        assert found["masks"].shape == (count, 1, 28, 28)
        assert found["scores"].shape == found["labels"].shape == (count,)


def test_frozen_stages_do_not_learn() -> None:
    net = build(RECIPE.model_copy(update={"trainable_stages": 2}))
    trunk = net.backbone
    frozen = [trunk.conv1, trunk.layer1, trunk.layer2]
    assert not any(p.requires_grad for part in frozen for p in part.parameters())
    learning = (*trunk.layer3.parameters(), *trunk.layer4.parameters())
    assert all(p.requires_grad for p in learning)


def test_folding_batch_norm_keeps_what_a_resnet_answers(tmp_path: Path) -> None:
    from torchvision.models import resnet18  # noqa: PLC0415  one test

    torch.manual_seed(2)
    body = resnet18()
    for module in body.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.2)
            module.running_var.uniform_(0.5, 2)
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
            torch.nn.init.normal_(module.bias, 0, 0.2)
    torch.save(body.state_dict(), tmp_path / "resnet18.pt")
    update = {"weights": tmp_path / "resnet18.pt"}
    net = build(RECIPE.model_copy(update=update)).eval()
    body.eval()
    grey = images(1)
    with torch.inference_mode():
        stem = body.maxpool(body.relu(body.bn1(body.conv1(grey.repeat(1, 3, 1, 1)))))
        wanted = body.layer4(body.layer3(body.layer2(body.layer1(stem))))
        assert torch.allclose(net.backbone(grey)["3"], wanted, atol=1e-3, rtol=1e-3)


def test_the_compact_weights_fit_the_resnet_50(shared_dir: Path) -> None:
    weights = shared_dir / "weights" / "resnet50_imagenet_pruned8.npz"
    recipe = RECIPE.model_copy(update={"backbone": "resnet50", "weights": weights})
    net = build(recipe)
    random = CxrNet(recipe)
    assert not torch.equal(net.backbone.conv1.weight, random.backbone.conv1.weight)


def test_weights_of_another_backbone_are_refused(shared_dir: Path) -> None:
    weights = shared_dir / "weights" / "resnet50_imagenet_pruned8.npz"
    recipe = RECIPE.model_copy(update={"weights": weights})
    with pytest.raises(TrainingError, match=r"pruned8\.npz: .*backbone"):
        build(recipe)


def test_missing_and_broken_weights_are_named(tmp_path: Path) -> None:
    recipe = RECIPE.model_copy(update={"weights": tmp_path / "none.pt"})
    with pytest.raises(TrainingError, match=r"none\.pt: no such weights file"):
        build(recipe)
    broken = tmp_path / "broken.npz"
    broken.write_bytes(b"PK not really")
    with pytest.raises(TrainingError, match=r"broken\.npz: not a readable"):
        build(RECIPE.model_copy(update={"weights": broken}))
    broken = tmp_path / "broken.pt"
    for content in (b"", b"not a pickle", b"PK\x03\x04 cut"):
        broken.write_bytes(content)
        with pytest.raises(TrainingError, match=r"broken\.pt: not a readable"):
            build(RECIPE.model_copy(update={"weights": broken}))
    torch.save([1, 2], broken)
    with pytest.raises(TrainingError, match=r"broken\.pt: not a readable"):
        build(RECIPE.model_copy(update={"weights": broken}))


def test_an_earlier_run_is_gone_on_from_with_all_its_heads(tmp_path: Path) -> None:
    earlier, averaged = CxrNet(RECIPE), CxrNet(RECIPE)
    path = tmp_path / "last.pt"
    whole = Recipe(network=RECIPE)
    states = (earlier.state_dict(), averaged.state_dict())
    Checkpoint(*states, {}, 9, whole, "0" * 64, "unknown").write(path)
    net = build(RECIPE.model_copy(update={"weights": path}))
    for name, value in averaged.state_dict().items():
        assert torch.equal(net.state_dict()[name], value), name


@pytest.mark.parametrize("count", [1, 6])
def test_an_anchor_list_that_fits_no_pyramid_is_refused(count: int) -> None:
    table = {"network": {"anchor_sizes": [16] * count}}
    with pytest.raises(
        TrainingError, match=r"network\.anchor_sizes: .* at (least 2|most 5) items"
    ):
        recipe_of(table, "here")


@pytest.mark.parametrize(("count", "finest_stride"), [(2, 32), (4, 8), (5, 4)])
def test_the_pyramid_starts_where_the_anchors_do(
    count: int, finest_stride: int
) -> None:
    sizes = {"anchor_sizes": (8, 16, 32, 64, 128)[:count]}
    net = CxrNet(RECIPE.model_copy(update=sizes)).eval()
    film = images(1)
    with torch.inference_mode():
        _, pyramid = net.features(film)
        dense = net(film)["dense"]
    sides = [film.shape[-1] // level.shape[-1] for level in pyramid.values()]
    assert sides == [finest_stride * 2**step for step in range(count)]
    assert dense.shape[-1] == film.shape[-1] // 2
