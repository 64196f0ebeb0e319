"""The ``[network]`` table of the single-shot detector."""

from typing import Literal

from pydantic import Field

from inference.training.recipe.table import Count, Fraction, NetworkTable


class SsdNetwork(NetworkTable):
    """Shape of SSDLite with MobileNetV3; see ``NetworkTable`` for what all have.

    ``weights`` is a torchvision state_dict of SSDLite or of MobileNetV3, or an earlier
    run's checkpoint.

    Parameters
    ----------
    candidates, detections
        Per image before suppression, and at the end.
    score_threshold, nms_iou
        Of the final detections.
    """

    kind: Literal["ssd"] = "ssd"
    input_px: int = Field(default=320, ge=64, multiple_of=32)
    candidates: Count = 60
    detections: Count = 10
    score_threshold: Fraction = 0.05
    nms_iou: Fraction = 0.3
