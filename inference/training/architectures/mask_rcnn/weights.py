"""Reading the weights a training run starts from.

Accepts torchvision state dicts (a ResNet classifier, or a whole Mask R-CNN whose
trunk, pyramid and proposal head are taken), the compact ``.npz`` form with batch norm
already folded, checkpoints of earlier runs (all heads of their averaged network), and
the graph of a model that is served (the whole network).
Batch norm is folded into the convolutions here, once.
"""

import re
from pathlib import Path

from torch import Tensor, nn

from inference.errors import TrainingError
from inference.training.architectures.mask_rcnn.from_graph import (
    load_model,
    model_of,
)
from inference.training.architectures.stored import read_state

_EPSILON = 1e-5


def initialise(net: nn.Module, path: Path) -> None:
    """Copy pretrained weights into a network, in place.

    Raises
    ------
    TrainingError
        The file is missing, unreadable or of another architecture.
    """
    folder = model_of(path)
    if folder is not None:
        load_model(net, folder)
        return
    state = read_state(path)
    trunk = _trunk_state(state)
    wanted = net.get_submodule("backbone").state_dict()
    if missing := sorted(set(wanted) - set(trunk)):
        raise TrainingError(f"{path}: no weights for {missing[0]} of the backbone")
    for name, value in wanted.items():
        if trunk[name].shape != value.shape:
            raise TrainingError(
                f"{path}: {name} is {tuple(trunk[name].shape)},"
                f" the backbone wants {tuple(value.shape)}"
            )
    net.get_submodule("backbone").load_state_dict({k: trunk[k] for k in wanted})
    _copy_matching(net, state)


def _norm_of(conv: str) -> str:
    if "downsample" in conv:
        return conv.replace("downsample.0", "downsample.1")
    return re.sub(r"conv(\d)$", r"bn\1", conv)


def _trunk_state(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Convolutions of the trunk with batch norm folded and one grey input."""
    prefix = re.compile(r"^backbone\.(body\.)?")
    found = {prefix.sub("", key): value for key, value in state.items()}
    folded: dict[str, Tensor] = {}
    for key, weight in found.items():
        name = key.removesuffix(".weight")
        if key == name or weight.ndim != 4 or not re.match(r"conv1|layer\d", name):  # noqa: PLR2004  a convolution's
            continue
        folded[key], folded[f"{name}.bias"] = _fold(found, name, weight)
    if "conv1.weight" in folded and folded["conv1.weight"].shape[1] != 1:
        folded["conv1.weight"] = folded["conv1.weight"].sum(dim=1, keepdim=True)
    return folded


def _fold(found: dict[str, Tensor], name: str, weight: Tensor) -> tuple[Tensor, Tensor]:
    if f"{name}.bias" in found:
        return weight, found[f"{name}.bias"]
    norm = _norm_of(name)
    variance = found[f"{norm}.running_var"] + _EPSILON
    gain = found[f"{norm}.weight"] * variance.rsqrt()
    shift = found[f"{norm}.bias"] - found[f"{norm}.running_mean"] * gain
    return weight * gain.reshape(-1, 1, 1, 1), shift


def _copy_matching(net: nn.Module, state: dict[str, Tensor]) -> None:
    """Take what else fits from a whole Mask R-CNN (pyramid, heads)."""
    own = net.state_dict()
    for key, value in state.items():
        name = key.replace("backbone.fpn.", "fpn.")
        fits = name in own and own[name].shape == value.shape
        if fits and not name.startswith("backbone."):
            own[name].copy_(value)
