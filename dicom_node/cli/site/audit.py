"""``audit``: the audit trail, listed and verified."""

import getpass
import sys
from dataclasses import asdict
from pathlib import Path

import click

from dicom_node.cli.terminal.options import config_option, opened_database
from dicom_node.cli.terminal.tables import json_option, print_json, print_table
from dicom_node.cli.terminal.times import shown, utc_option
from dicom_node.monitoring.audit import occasions
from dicom_node.monitoring.audit.occasions import Caller
from dicom_node.node.settings.load import Settings
from dicom_node.node.wiring.monitoring.audit import make_trail
from storage.monitoring import audit_trail

_BROKEN = 1


@click.group()
def audit() -> None:
    """List and verify the audit trail."""


@audit.command("list")
@config_option
@utc_option
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True)
@json_option
def list_records(config: Path | None, *, utc: bool, limit: int, as_json: bool) -> None:
    """List who did what, the newest first; that it was read is written down, too."""
    settings = Settings.load(config)
    with opened_database(config) as database:
        with database.transaction(read_only=True) as tx:
            records = audit_trail.latest(tx, limit)
        reader = occasions.trail_read(Caller(_user()), settings.node.ae_title)
        make_trail(settings, database).record(reader)
    if as_json:
        items = [asdict(one) | {"at": one.at.isoformat()} for one in records]
        print_json({"items": items})
        return
    print_table(
        ("NUMBER", "AT", "EVENT", "SEAL"),
        [
            (str(one.record_id), shown(one.at, utc=utc), one.event, one.sha256[:16])
            for one in records
        ],
    )


@audit.command()
@config_option
@json_option
def verify(config: Path | None, *, as_json: bool) -> None:
    """Go through the whole chain; exit status 1 when it is broken.

    The last seal, noted elsewhere, shows later whether the end was cut off.
    """
    with (
        opened_database(config) as database,
        database.transaction(read_only=True) as tx,
    ):
        verdict = audit_trail.verify(tx)
    if as_json:
        print_json(asdict(verdict))
    elif verdict.broken_at is None:
        click.echo(
            f"{verdict.records} records, unbroken; the last seal: {verdict.last}"
        )
    else:
        click.echo(f"the chain is broken at record {verdict.broken_at}")
    if verdict.broken_at is not None:
        sys.exit(_BROKEN)


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"
