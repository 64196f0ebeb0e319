"""What the node says about an image, as plain values for JSON.

The same words in the database, in the HTTP interface and in ``result.json``.
"""

from typing import Any

from dicom_node.evidence.maker import ModelIdentity
from inference.findings import Analysis, Finding, Severity
from inference.manifest import ModelManifest

Json = dict[str, Any]


def result(analysis: Analysis, manifest: ModelManifest | ModelIdentity) -> Json:
    """Describe an analysis: severity in percent, findings, and the model."""
    return {
        "severity": severity(analysis.severity),
        "findings": [finding(item) for item in analysis.findings],
        "opacity_score": round(analysis.opacity_score, 4),
        "remarks": list(analysis.remarks),
        "model": model(manifest),
    }


def severity(value: Severity) -> Json:
    """Describe shares of lung area covered by opacity, in percent."""
    return {
        "total": value.total,
        "right": value.right,
        "left": value.left,
        "zones": {str(zone): share for zone, share in value.zones.items()},
        "extent_score": value.extent_score,
    }


def finding(value: Finding) -> Json:
    """Describe one opacity; the box is ``[x, y, width, height]`` in source pixels."""
    area = value.area_mm2
    return {
        "label": value.label,
        "score": round(value.score, 4),
        "side": str(value.side),
        "zone": str(value.zone),
        "box": list(value.region.box),
        "area_px": value.region.area_px,
        "area_mm2": None if area is None else round(area, 1),
        "percent_of_lung": value.percent_of_lung,
    }


def model(manifest: ModelManifest | ModelIdentity) -> Json:
    """Name a model."""
    return {
        "name": manifest.name,
        "version": manifest.version,
        "sha256": manifest.sha256,
    }
