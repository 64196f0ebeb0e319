"""``doctor``: a table of what a deployment needs, and whether it is there."""

from pathlib import Path

import click

from dicom_node.cli.terminal.options import config_option
from dicom_node.errors import SettingsInvalid
from dicom_node.node import logs
from dicom_node.node.doctor.examine import Checked, Verdict, examine
from dicom_node.node.settings.load import Settings

_WIDTH = 24


@click.command()
@config_option
def doctor(config: Path | None) -> None:
    """Check configuration, disk, database, ports, peers, destinations and model.

    Exits 1 when anything fails.
    """
    logs.configure("ERROR", "text")
    try:
        settings = Settings.load(config)
    except SettingsInvalid as error:
        _print(Checked("configuration", Verdict.BAD, str(error)))
        raise SystemExit(1) from error
    _print(Checked("configuration", Verdict.GOOD, str(config or "defaults, no file")))
    verdicts = []
    for checked in examine(settings):
        _print(checked)
        verdicts.append(checked.verdict)
    if Verdict.BAD in verdicts:
        raise SystemExit(1)


def _print(checked: Checked) -> None:
    click.echo(f"{checked.name:<{_WIDTH}} {checked.verdict:<8} {checked.text}")
