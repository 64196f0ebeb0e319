"""The network of a recipe in a few words."""

from inference.training.architectures.classifier.recipe import ClassifierNetwork
from inference.training.architectures.mask_rcnn.recipe import MaskRcnnNetwork
from inference.training.architectures.segmenter.recipe import SegmenterNetwork
from inference.training.recipe.recipe import Recipe


def shape_of(recipe: Recipe) -> str:
    """Name the network in a few words."""
    network = recipe.network
    if isinstance(network, ClassifierNetwork):
        what = "classifier " + " + ".join(network.trunks)
    elif isinstance(network, SegmenterNetwork):
        plain = f"{network.block_layers} x {network.filters} plain"
        what = f"U-Net {plain if network.encoder == 'plain' else network.encoder}"
    elif isinstance(network, MaskRcnnNetwork):
        what = f"Mask R-CNN {network.backbone}"
    elif network.kind == "columns":
        return "support vector machine on columns, no pixels"
    else:
        what = "SSDLite MobileNetV3"
    return f"{what}, {network.input_px} px"
