"""``cxr-node card``: MODEL_CARD.md and the manifest's metrics.

The card is put together from what was measured; see ``evaluation.model_card``.
"""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from inference.errors import TrainingError
from inference.manifest import read_manifest, write_manifest
from inference.training.evaluation.model_card import model_card, remarks_of
from inference.training.evaluation.report import headline
from inference.training.recipe.recipe import recipe_of

FILE_NAME = "MODEL_CARD.md"


def write_card(
    model: Path,
    metrics: Path,
    recipe: Path,
    remarks: Path | None = None,
    *,
    keep_remarks: bool = False,
) -> Path:
    """Write the card and put the overall metrics into the manifest.

    Parameters
    ----------
    model
        The model folder.
    metrics
        ``metrics.json`` of its evaluation.
    recipe
        ``recipe.json`` of its training run.
    remarks
        Markdown to add at the end.
    keep_remarks
        Whether what the card that is there adds at the end is kept.

    Raises
    ------
    TrainingError
        A file is missing or malformed, or the metrics are of another model or
        of an ensemble.
    """
    table, told = _read(metrics), _read(recipe)
    manifest = read_manifest(model)
    if table.get("about", {}).get("fused"):
        raise TrainingError(f"{metrics}: measured on an ensemble, not on one model")
    measured = table.get("about", {}).get("sha256", manifest.sha256)
    if measured != manifest.sha256:
        raise TrainingError(
            f"{metrics}: measured on another model ({measured[:12]}...)"
        )
    manifest = replace(manifest, metrics=headline(table))
    text = remarks.read_text(encoding="utf-8") if remarks else ""
    path = model / FILE_NAME
    if keep_remarks and path.is_file():
        text = remarks_of(path.read_text(encoding="utf-8"))
    card = model_card(table, recipe_of(told, str(recipe)), manifest, text)
    write_manifest(model, manifest)
    path.write_text(card, encoding="utf-8")
    return path


def _read(path: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise TrainingError(f"{path}: no such file") from error
    except ValueError as error:
        raise TrainingError(f"{path}: not JSON: {error}") from error
