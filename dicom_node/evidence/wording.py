"""The sentences a reader gets, the same in report, presentation state and pictures.

Plain English, ASCII, opacity and never a diagnosis; every sentence with its numbers.
"""

from dicom_node.evidence.maker import Maker
from dicom_node.evidence.past import Earlier, Prior
from inference.findings import Analysis

DISCLAIMER = "AI result, not for primary diagnosis"
_LEAST_SHOWN = 0.05


def percent(value: float) -> str:
    """Percentage with one decimal, "<0.1 %" rather than a false zero."""
    return "<0.1 %" if 0 < value < _LEAST_SHOWN else f"{value:.1f} %"


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


def comparison(analysis: Analysis, earlier: Earlier) -> str | None:
    """Say how this film compares with the one before it, if there is one."""
    if earlier.prior is not None:
        return change(analysis, earlier.prior)
    if earlier.uncompared is not None:
        return not_compared(earlier.uncompared)
    return None


def findings(analysis: Analysis, earlier: Earlier) -> list[str]:
    """Sentences about what the film shows."""
    lines = [headline(analysis)]
    lines.append(
        f"Opacity extent score {analysis.severity.extent_score} of 8; probability of "
        f"any opacity {100 * analysis.opacity_score:.0f} %."
    )
    if (compared := comparison(analysis, earlier)) is not None:
        lines.append(compared)
    return lines


def comments(remarks: tuple[str, ...], maker: Maker) -> list[str]:
    """Sentences about image quality and about what made the result."""
    lines = [f"Image quality: {remark}" for remark in remarks]
    lines.append(f"{DISCLAIMER}. Model {maker.model.words}.")
    return lines
