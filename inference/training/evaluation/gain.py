"""Two models on the same films: what the one gains over the other, with intervals."""

from collections.abc import Mapping, Sequence
from typing import Any

from inference.training.evaluation.cases import Case
from inference.training.evaluation.metrics import METRICS
from inference.training.evaluation.report import (
    SECTIONS,
    Table,
    overall_rows,
    plain,
    row,
)
from inference.training.evaluation.scores.bootstrap import REPLICATES
from inference.training.evaluation.summary import differences


def gain(
    before: Sequence[Case], after: Sequence[Case], replicates: int = REPLICATES
) -> Table:
    """Tell what another model gains, overall and within each source."""
    sources = sorted({case.source for case in after})
    parts = {name: [one for one in after if one.source == name] for name in sources}
    return {
        "overall": plain(differences(before, after, METRICS, replicates)),
        "source": {
            name: plain(differences(before, part, METRICS, replicates // 2))
            for name, part in parts.items()
        },
    }


def gain_markdown(table: Mapping[str, Any]) -> str:
    """Write what another model gains for people."""
    parts = ["# The same films, another model: after less before", ""]
    parts += ["AUROC within each source:", ""]
    parts += ["| source | difference | 95 % interval | films |", "|---|---|---|---|"]
    parts += [
        row(name, group["auroc"])
        for name, group in table["source"].items()
        if group["auroc"]["value"] is not None
    ]
    for title, names in SECTIONS.items():
        parts += ["", f"## {title}", "", *overall_rows(table, names)]
    return "\n".join(parts) + "\n"
