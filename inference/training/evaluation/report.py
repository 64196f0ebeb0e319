"""What an evaluation leaves behind: JSON, Markdown, and the challenge's CSV.

The CSV is that of the RSNA Pneumonia Detection Challenge 2018:
``patientId,PredictionString`` with ``score x y width height`` per finding.
"""

import csv
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePath
from typing import Any

from inference.training.evaluation.cases import Case, Stranger
from inference.training.evaluation.metrics import METRICS
from inference.training.evaluation.scores.bootstrap import (
    REPLICATES,
    ConfidenceInterval,
)
from inference.training.evaluation.summary import (
    SUBGROUPS,
    recognised,
    split,
    summarise,
)

Table = dict[str, Any]

SECTIONS: Mapping[str, Mapping[str, str]] = {
    "Any opacity, per film": {
        "auroc": "AUROC",
        "auprc": "AUPRC",
        "sensitivity": "Sensitivity at the operating point",
        "specificity": "Specificity at the operating point",
        "brier": "Brier score",
        "ece": "Expected calibration error (10 bins)",
        "temperature": "Temperature that would fit these films (1: none is needed)",
    },
    "Whether the film's score gives its source away (0.5: not at all)": {
        "source_told_by_sick": "Among films with opacity, mean over pairs of sources",
        "source_told_by_clean": "Among films without, mean over pairs of sources",
    },
    "Opacities one by one": {
        "ap40": "AP at IoU 0.4",
        "ap50": "AP at IoU 0.5",
        "rsna_score": "RSNA score of the findings (IoU 0.40 to 0.75)",
        "rsna_score_on_positives": "RSNA score, films with opacity only",
        "rsna_score_of_boxes": "RSNA score of the network's boxes above its threshold",
        "froc_at_0.125": "Sensitivity at 1/8 false positive per film",
        "froc_at_0.25": "Sensitivity at 1/4 false positive per film",
        "froc_at_0.5": "Sensitivity at 1/2 false positive per film",
        "froc_at_1": "Sensitivity at 1 false positive per film",
        "froc_at_2": "Sensitivity at 2 false positives per film",
        "froc_at_4": "Sensitivity at 4 false positives per film",
        "false_findings_per_negative": "Findings per film without opacity",
    },
    "Outlines (Dice)": {
        "opacity_dice": "Opacity, films with outlined opacity",
        "right_lung_dice": "Right lung, whole field",
        "left_lung_dice": "Left lung, whole field",
        "right_lung_dice_no_heart": "Right lung, drawn without the heart",
        "left_lung_dice_no_heart": "Left lung, drawn without the heart",
    },
    "Severity, percent of lung": {
        "severity_mae": "Mean absolute error, points",
        "severity_mae_by_lung": "Mean absolute error of a single lung, points",
        "severity_bias": "Bias, points",
        "severity_low": "Lower limit of agreement, points",
        "severity_high": "Upper limit of agreement, points",
        "severity_pearson": "Pearson with the outlines' percent",
        "severity_spearman": "Spearman with the outlines' percent",
        "percent_on_negatives": "Percent reported on films without opacity",
    },
    "Severity against three readers": {
        "reader_extent_mae": "Mean absolute error of the extent score (0 to 8)",
        "reader_extent_bias": "Bias of the extent score",
        "reader_extent_pearson": "Pearson of the extent score",
        "reader_extent_spearman": "Spearman of the extent score",
        "reader_percent_pearson": "Pearson of the percent",
        "reader_percent_spearman": "Spearman of the percent",
        "reader_truth_pearson": "Pearson of the outlines' percent (for comparison)",
    },
    "Intervals of the percentages (90 %)": {
        "interval_coverage": "Outlined films whose total percentage lies inside",
        "interval_coverage_by_lung": "Outlined lungs whose percentage lies inside",
        "interval_coverage_clean": "Films without opacity whose interval begins at 0",
        "interval_meets_readers": "Films where it meets the readers' extent",
        "interval_width": "Mean width on outlined films, points",
    },
    "Eligibility": {"frontal_refused": "Frontal films refused"},
}
_SUBGROUP_COLUMNS = {
    "auroc": "AUROC",
    "sensitivity": "Sensitivity",
    "specificity": "Specificity",
    "ap40": "AP 0.4",
    "opacity_dice": "Opacity Dice",
    "right_lung_dice": "Right lung",
    "left_lung_dice": "Left lung",
    "severity_mae": "Severity MAE",
    "frontal_refused": "Refused",
}


def tabulate(
    cases: Sequence[Case],
    strangers: Sequence[Stranger],
    about: Mapping[str, Any],
    replicates: int = REPLICATES,
) -> Table:
    """Everything that was measured, as plain data for JSON.

    Parameters
    ----------
    cases, strangers
        What was seen.
    about
        Model, data and settings, stored as they are.
    replicates
        Of the bootstrap; half as many within subgroups.
    """
    return {
        "about": dict(about),
        "films": len(cases),
        "groups": len({case.group for case in cases}),
        "with_opacity": sum(case.positive is True for case in cases),
        "without_opacity": sum(case.positive is False for case in cases),
        "held_out": held_out(cases),
        "learned_from": [case.key for case in cases if case.learned],
        "overall": plain(summarise(cases, METRICS, replicates)),
        "by": {
            by: {
                name: {"films": len(part)}
                | plain(summarise(part, METRICS, replicates // 2))
                for name, part in split(cases, by).items()
            }
            for by in SUBGROUPS
        },
        "not_analysable_refused": plain(recognised(strangers)),
        "refusals": {
            case.key: case.refused for case in cases if case.refused is not None
        },
    }


def held_out(cases: Sequence[Case]) -> bool | None:
    """Tell whether the model learned from none of these films.

    Returns
    -------
        False as soon as it did from one; ``None`` when nobody can say.
    """
    if any(case.learned for case in cases):
        return False
    told = bool(cases) and all(case.learned is False for case in cases)
    return True if told else None


def _standing(table: Mapping[str, Any]) -> str:
    """Say in words what these figures are worth."""
    known = len(table["learned_from"])
    if table["held_out"]:
        return "Held out: the model learned from none of these films or patients."
    if known:
        return (
            f"**Not held out: the model learned from {known} of these"
            f" {table['films']} films, or from others of their patients** (named in"
            " `metrics.json`, `learned_from`). The figures flatter."
        )
    return (
        "**Nobody can say whether these films are held out**: the model has no whole"
        " record of what it learned from."
    )


def _settings(about: Mapping[str, Any]) -> list[str]:
    """Tell what was measured and how, one setting a row."""
    rows = []
    for key, value in about.items():
        if isinstance(value, Mapping):
            rows += [f"| {key}, {name} | {one:.4g} |" for name, one in value.items()]
        elif isinstance(value, list | tuple):
            rows.append(f"| {key} | {', '.join(map(str, value))} |")
        else:
            rows.append(f"| {key} | {value} |")
    return ["| setting | value |", "|---|---|", *rows] if rows else []


def plain(summary: Mapping[str, ConfidenceInterval]) -> Table:
    """Write metrics as plain data; what is not defined is null."""
    return {
        name: {
            "value": _known(one.value),
            "low": _known(one.low),
            "high": _known(one.high),
            "n": one.n,
        }
        for name, one in summary.items()
    }


def _known(value: float) -> float | None:
    return round(value, 6) if math.isfinite(value) else None


def write_json(path: Path, table: Mapping[str, Any]) -> None:
    """Write the table; what is not defined is null."""
    path.write_text(json.dumps(table, indent=1) + "\n", encoding="utf-8")


def headline(table: Mapping[str, Any]) -> dict[str, float]:
    """Pick the numbers that a manifest carries."""
    return {
        name: one["value"]
        for name, one in table["overall"].items()
        if one["value"] is not None
    }


def markdown(table: Mapping[str, Any]) -> str:
    """Write the tables for people."""
    parts = ["# Evaluation", "", _introduction(table), "", _standing(table)]
    parts += ["", *_settings(table["about"])]
    parts += ["", "## Within each source", "", *within_sources(table)]
    for title, names in SECTIONS.items():
        parts += ["", f"## {title}", "", *overall_rows(table, names)]
    if table["not_analysable_refused"]:
        parts += ["", "## Pictures that must be refused", ""]
        parts += ["| what | refused | 95 % interval | n |", "|---|---|---|---|"]
        parts += [
            row(kind, one) for kind, one in table["not_analysable_refused"].items()
        ]
    for by, groups in table["by"].items():
        parts += ["", f"## By {by}", "", *_subgroup_rows(groups)]
    return "\n".join(parts) + "\n"


def within_sources(table: Mapping[str, Any]) -> list[str]:
    """Rank the films of each source among themselves: no source gives a label away."""
    rows = [
        "| source | AUROC | 95 % interval | films | findings per clean film |",
        "|---" * 5 + "|",
    ]
    for name, group in table["by"]["source"].items():
        one = group["auroc"]
        if one["value"] is None:
            continue
        clean = group["false_findings_per_negative"]
        rows.append(f"{row(name, one)} {_cell(clean)} |")
    if len(rows) == 2:  # noqa: PLR2004  the head of the table
        return ["No source shows films with opacity and films without."]
    return rows


def _introduction(table: Mapping[str, Any]) -> str:
    return (
        f"{table['films']} frontal films of {table['groups']} patients or publications:"
        f" {table['with_opacity']} with opacity, {table['without_opacity']} verified"
        " without, the others unknown and left out of every opacity metric. Intervals"
        " are 95 %, by resampling patients or publications."
    )


def overall_rows(table: Mapping[str, Any], names: Mapping[str, str]) -> list[str]:
    """Markdown rows of some overall metrics, by their titles."""
    lines = ["| metric | value | 95 % interval | films |", "|---|---|---|---|"]
    return lines + [row(title, table["overall"][name]) for name, title in names.items()]


def row(title: str, one: Mapping[str, Any]) -> str:
    """Write a metric with its interval and films as a row of Markdown."""
    value = "-" if one["value"] is None else f"{one['value']:.3f}"
    known = one["low"] is not None and one["high"] is not None
    low_high = f"{one['low']:.3f} to {one['high']:.3f}" if known else "-"
    return f"| {title} | {value} | {low_high} | {one['n']} |"


def _subgroup_rows(groups: Mapping[str, Any]) -> list[str]:
    columns = _SUBGROUP_COLUMNS
    lines = [
        "| | films | " + " | ".join(columns.values()) + " |",
        "|---" * (len(columns) + 2) + "|",
    ]
    for name, group in groups.items():
        cells = [_cell(group[column]) for column in columns]
        lines.append(f"| {name} | {group['films']} | " + " | ".join(cells) + " |")
    return lines


def _cell(one: Mapping[str, Any]) -> str:
    return "-" if one["value"] is None else f"{one['value']:.3f} ({one['n']})"


def write_challenge(path: Path, cases: Sequence[Case]) -> None:
    """Write the findings as a submission to the RSNA challenge."""
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(["patientId", "PredictionString"])
        for case in cases:
            found = zip(case.findings.scores, case.findings.boxes, strict=True)
            text = " ".join(
                f"{score:.4f} {x:g} {y:g} {width:g} {height:g}"
                for score, (x, y, width, height) in found
            )
            writer.writerow([PurePath(case.key).stem, text])
