"""``demo``: what ``make demo`` runs."""

from collections.abc import Sequence
from pathlib import Path

import click

from dicom_node.cli.demonstration import Delivered, DemoFailed, run
from dicom_node.cli.terminal.options import FolderPath, GivenFile, config_option
from dicom_node.evidence.kinds import KINDS, EvidenceKind
from dicom_node.node import logs
from dicom_node.worklist.result import ReportedFinding


@click.command()
@click.option("--output", type=FolderPath, default=Path("demo-output"))
@click.option("--image", type=GivenFile, help="A DICOM file of your own.")
@config_option
def demo(output: Path, image: Path | None, config: Path | None) -> None:
    """Send a radiograph through a node of its own, and show what comes of it."""
    logs.configure("ERROR", "text")
    what = str(image) if image else "a drawn chest radiograph (no patient)"
    click.echo(f"Sending {what} to a node on this machine …")
    try:
        delivered = run(output, image, config)
    except DemoFailed as error:
        raise DemoFailed(f"demo: {error}") from error
    show(delivered)


def show(delivered: Delivered) -> None:
    """Print it all; the last line is for scripts."""
    result, files = delivered.result, delivered.files
    severity, model = result.severity, result.model
    click.echo(
        f"\nAnalysed in {delivered.analysis_s:.1f} s by the model"
        f" {model.name} {model.version}\n"
    )
    _show_findings(result.findings)
    click.echo("\nLung area covered by opacity")
    for name in ("right", "left", "total"):
        click.echo(f"  {name:<6} {getattr(severity, name):5.1f} %")
    click.echo("\nAt the PACS")
    for kind, path in files.items():
        click.echo(f"  {KINDS[kind].title:<15} {path}")
    click.echo(f"\nOverlay\n  {delivered.overlay}\n")
    seg = files.get(EvidenceKind.SEGMENTATION, files[EvidenceKind.LUNG_SEGMENTATION])
    click.echo(
        f"demo: delivered SEG={seg} SR={files[EvidenceKind.MEASUREMENT_REPORT]}"
        f" severity_total={severity.total:.1f}%"
    )


def _show_findings(findings: Sequence[ReportedFinding]) -> None:
    click.echo(f"Findings: {len(findings)}")
    for number, one in enumerate(findings, start=1):
        click.echo(
            f"  {number}  {one.place:<28} score {one.score:.2f}"
            f"  {one.percent_of_lung:5.1f} % of the lung  box {list(one.box)}"
        )
