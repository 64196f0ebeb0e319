"""``doctor``: a table of what a deployment needs, and whether it is there."""

from collections.abc import Iterator
from pathlib import Path

import click

from dicom_node.cli.terminal.options import config_option
from dicom_node.cli.terminal.tables import print_json
from dicom_node.errors import SettingsInvalid
from dicom_node.node import logs
from dicom_node.node.doctor.examine import Checked, Verdict, examine
from dicom_node.node.settings.load import Settings

_WIDTH = 24


@click.command()
@config_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for monitoring.")
def doctor(config: Path | None, *, as_json: bool) -> None:
    """Check configuration, disk, database, ports, peers, destinations and model.

    Exits 1 when anything fails.
    """
    logs.configure("ERROR", "text")
    found = []
    for checked in _examined(config):
        found.append(checked)
        if not as_json:
            _print(checked)
    well = all(one.verdict is not Verdict.BAD for one in found)
    if as_json:
        print_json({"ok": well, "checks": [_told(one) for one in found]})
    if not well:
        raise SystemExit(1)


def _examined(config: Path | None) -> Iterator[Checked]:
    try:
        settings = Settings.load(config)
    except SettingsInvalid as error:
        yield Checked("configuration", Verdict.BAD, str(error))
        return
    place = str(config or "defaults, no file")
    yield Checked("configuration", Verdict.GOOD, place)
    yield from examine(settings)


def _told(checked: Checked) -> dict[str, str]:
    return {
        "name": checked.name,
        "verdict": checked.verdict.lower(),
        "text": checked.text,
    }


def _print(checked: Checked) -> None:
    click.echo(f"{checked.name:<{_WIDTH}} {checked.verdict:<8} {checked.text}")
