"""MODEL_CARD.md: what a model is, what it learned from, what it scores, where it fails.

Written from the evaluation's table, the recipe and the manifest, so that the card
cannot say what was not measured. The sections follow Mitchell et al., Model Cards for
Model Reporting, 2019.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from inspect import cleandoc
from typing import Any

from inference.interval_table import PercentIntervals, SeverityIntervals
from inference.manifest import ModelManifest
from inference.training.architectures.mask_rcnn.recipe import MaskRcnnNetwork
from inference.training.evaluation.report import SECTIONS, overall_rows
from inference.training.recipe.recipe import Recipe
from inference.training.recipe.shape import shape_of

_SMALL_FILMS = 30
_WIDE = 0.15
REMARKS = "What else to know"


def model_card(
    metrics: Mapping[str, Any],
    recipe: Recipe,
    manifest: ModelManifest,
    remarks: str = "",
) -> str:
    """Write the card.

    Parameters
    ----------
    metrics
        The table of ``metrics.json``.
    recipe
        Of the training run.
    manifest
        Of the exported model.
    remarks
        Markdown of a person: where the data come from and under which licence, what
        was tried and did not help, what is known to fail.
    """
    parts = [
        f"# Model card: {manifest.name} {manifest.version}",
        "",
        "**Research only. Not a medical device, not for clinical use.**",
        "",
        *_section("What it is", _what(recipe, manifest)),
        *_section("Intended use", [manifest.intended_use]),
        *_section("What it learned from", _data(recipe, manifest)),
        *_section("How it decides", _decisions(manifest)),
        *_section("How it was measured", _method(metrics)),
        *_results(metrics),
        *_section("Who it was measured on", _subgroups(metrics)),
        *_section("Where it fails", _failures(metrics)),
        *(_section(REMARKS, [remarks.strip()]) if remarks else []),
    ]
    return "\n".join(parts).rstrip() + "\n"


def remarks_of(card: str) -> str:
    """Give back what a person had added to a card."""
    _, _, remarks = card.partition(f"\n## {REMARKS}\n")
    return remarks.strip()


def _section(title: str, lines: Sequence[str]) -> list[str]:
    return [f"## {title}", "", *lines, ""]


def _what(recipe: Recipe, manifest: ModelManifest) -> list[str]:
    network = recipe.network
    shape = shape_of(recipe)
    if isinstance(network, MaskRcnnNetwork):
        heads = " and ".join(
            name
            for name, there in (
                ("Mask R-CNN (opacities one by one)", network.mask_rcnn),
                ("a dense head (lungs, and opacity pixel by pixel)", network.dense),
            )
            if there
        )
        shape = (
            f"{heads} on one {network.backbone} feature pyramid with"
            f" {network.fpn_channels} channels"
        )
    start = network.weights.name if network.weights else "random weights"
    size = manifest.input_size_px
    return cleandoc(f"""
        {shape}, started from {start}.
        Input: one frontal chest radiograph, grey, letterboxed to {size} x {size};
        {manifest.normalisation}.
        Weights: {manifest.precision}; file `{manifest.file}`, SHA-256
        `{manifest.sha256}`. Licence: {manifest.licence}.
    """).splitlines()


def _data(recipe: Recipe, manifest: ModelManifest) -> list[str]:
    data, schedule = recipe.data, recipe.schedule
    held_out = (
        "all folds"
        if data.validation_fold is None
        else f"all folds but fold {data.validation_fold}"
    )
    return cleandoc(f"""
        {_sources(recipe)}; {held_out}. Labels are partial: what was not annotated
        weighed nothing in any loss.
        Digest of the training data: `{manifest.training_data_digest}`.
        Recipe `{recipe.name}`: {schedule.optimiser}, {schedule.steps} steps of
        {schedule.batch} films, seed {schedule.seed}.
    """).splitlines()


def _sources(recipe: Recipe) -> str:
    data = recipe.data
    names = [source.annotations.parent.name for source in data.coco]
    names += [source.labels.parent.name for source in data.rsna]
    return f"Annotated films of {', '.join(names)}"


def _decisions(manifest: ModelManifest) -> list[str]:
    lines = ["| setting | value |", "|---|---|"]
    tables = (
        ("threshold", asdict(manifest.thresholds)),
        ("calibration", asdict(manifest.calibration)),
    )
    lines += [
        f"| {title}, {name.replace('_', ' ')} | {value:.4g} |"
        for title, table in tables
        for name, value in table.items()
    ]
    if manifest.severity_intervals is None:
        return lines
    return [*lines, "", *_intervals(manifest.severity_intervals)]


def _intervals(intervals: SeverityIntervals) -> list[str]:
    """Tell between which percentages the node says that the true one lies."""
    lines = cleandoc(f"""
        Of {100 * intervals.coverage:g} in 100 films the true percentage lies between
        the reported one less *below* and the reported one plus *above*, in points
        (split conformal prediction on held-out films, apart by size). Up to *clean*,
        nothing at all may be true.
    """).splitlines()
    lines += ["", "| of | up to, percent | below | above | clean |", "|---" * 5 + "|"]
    for name in ("total", "right", "left"):
        part: PercentIntervals = getattr(intervals, name)
        lines += [
            f"| {name} | {one.up_to_percent:g} | {one.below:g} | {one.above:g}"
            f" | {part.clean_percent:g} |"
            for one in part.bins
        ]
    return lines


_CROSS_VALIDATED = cleandoc("""
    By cross-validation: every film was shown to a network of this recipe that never
    learned from its fold, and judged with thresholds and calibration that were fixed
    on the other folds. The figures are those of the recipe; the network of this card
    is one of them, and its thresholds were fixed on all folds.
""")


def _method(metrics: Mapping[str, Any]) -> list[str]:
    about = metrics["about"]
    which = about.get("folds", about.get("pooled", "unknown"))
    lines = cleandoc(f"""
        By the node's own path on {metrics["films"]} frontal films of
        {metrics["groups"]} patients or publications (folds: {which}), of which
        {metrics["with_opacity"]} show opacity and {metrics["without_opacity"]} are
        verified without; the others count only for lungs and eligibility. Intervals
        are 95 %, by resampling patients or publications. A film that the node refuses
        counts as missed.
    """).splitlines()
    if not about.get("cross_validated"):
        return lines
    return [*lines, "", *_CROSS_VALIDATED.splitlines()]


def _results(metrics: Mapping[str, Any]) -> list[str]:
    lines: list[str] = []
    for title, names in SECTIONS.items():
        lines += _section(title, overall_rows(metrics, names))
    refused = metrics["not_analysable_refused"]
    if refused:
        lines += ["Pictures that must be refused, and were:", ""]
        lines += [
            f"- {kind}: {one['value']:.3f} of {one['n']}"
            for kind, one in refused.items()
        ]
        lines.append("")
    return lines


def _subgroups(metrics: Mapping[str, Any]) -> list[str]:
    lines = [
        "| group | films | AUROC | opacity Dice | severity MAE |",
        "|---" * 5 + "|",
    ]
    for by, groups in metrics["by"].items():
        for name, group in groups.items():
            cells = [
                _brief(group[key]) for key in ("auroc", "opacity_dice", "severity_mae")
            ]
            lines.append(
                f"| {by}: {name} | {group['films']} | " + " | ".join(cells) + " |"
            )
    return lines


def _brief(one: Mapping[str, Any]) -> str:
    return "-" if one["value"] is None else f"{one['value']:.3f} (n {one['n']})"


def _failures(metrics: Mapping[str, Any]) -> list[str]:
    """Name what the numbers themselves say is weak or hardly known."""
    overall = metrics["overall"]
    titles = {
        name: title for names in SECTIONS.values() for name, title in names.items()
    }
    few = [
        f"{titles[name].lower()} (n = {one['n']})"
        for name, one in overall.items()
        if one["value"] is not None and one["n"] < _SMALL_FILMS
    ]
    wide = [
        titles[name].lower()
        for name, one in overall.items()
        if one["low"] is not None
        and max(map(abs, (one["low"], one["high"]))) <= 1
        and one["high"] - one["low"] > _WIDE
    ]
    lines = cleandoc("""
        - It knows one finding. Masses, effusion, atelectasis or devices may be
          outlined as opacity or left out; it was not taught to tell them apart.
        - Groups with few films in the table above are hardly known.
    """).splitlines()
    if few:
        lines.append(
            f"- Measured on fewer than {_SMALL_FILMS} films: {'; '.join(few)}."
        )
    if wide:
        lines.append(f"- Interval wider than {_WIDE}: {'; '.join(wide)}.")
    if refused := metrics["refusals"]:
        lines.append(f"- {len(refused)} frontal film(s) were refused.")
    return lines
