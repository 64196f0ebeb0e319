"""The sentences a reader gets, the same in report, presentation state and pictures.

Plain English, ASCII, opacity and never a diagnosis; every sentence with its numbers.
"""

from dicom_node.evidence.subject import DISCLAIMER, EvidenceContext, Prior
from inference.findings import Analysis


def percent(value: float) -> str:
    """Percentage with one decimal, "<0.1 %" rather than a false zero."""
    return "<0.1 %" if 0 < value < 0.05 else f"{value:.1f} %"  # noqa: PLR2004


def headline(analysis: Analysis) -> str:
    """Say in one sentence what was found."""
    severity, count = analysis.severity, len(analysis.findings)
    numbers = (
        f"{percent(severity.total)} of both lungs (right {percent(severity.right)}, "
        f"left {percent(severity.left)})"
    )
    if count == 0:
        return f"No lung opacity found: {numbers}."
    noun = "opacity" if count == 1 else "opacities"
    return f"{count} lung {noun}: {numbers}."


def change(analysis: Analysis, prior: Prior) -> str:
    """Difference to an earlier film in percentage points."""
    now = analysis.severity
    return (
        f"Compared with {prior.acquired_at:%Y-%m-%d}: both lungs "
        f"{now.total - prior.total:+.1f} percentage points (right "
        f"{now.right - prior.right:+.1f}, left {now.left - prior.left:+.1f})."
    )


def not_compared(prior: Prior) -> str:
    """Say why there is no difference to an earlier film."""
    return (
        f"An earlier film of {prior.acquired_at:%Y-%m-%d} was read by {prior.model}, "
        "another model: its numbers are not compared with these."
    )


def comparison(analysis: Analysis, context: EvidenceContext) -> str | None:
    """Say how this film compares with the one before it, if there is one."""
    if context.prior is not None:
        return change(analysis, context.prior)
    if context.uncompared is not None:
        return not_compared(context.uncompared)
    return None


def findings(analysis: Analysis, context: EvidenceContext) -> list[str]:
    """Sentences about what the film shows."""
    lines = [headline(analysis)]
    lines.append(
        f"Opacity extent score {analysis.severity.extent_score} of 8; probability of "
        f"any opacity {100 * analysis.opacity_score:.0f} %."
    )
    if (compared := comparison(analysis, context)) is not None:
        lines.append(compared)
    return lines


def comments(remarks: tuple[str, ...], context: EvidenceContext) -> list[str]:
    """Sentences about image quality and about what made the result."""
    lines = [f"Image quality: {remark}" for remark in remarks]
    lines.append(f"{DISCLAIMER}. Model {context.model_words}.")
    return lines
