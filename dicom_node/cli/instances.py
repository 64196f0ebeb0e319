"""``instances``: what became of every image that came, job or no job."""

from pathlib import Path
from typing import Any

import click

from dicom_node.cli.terminal.options import config_option, opened_database
from dicom_node.cli.terminal.tables import (
    json_option,
    print_json,
    print_table,
    print_values,
)
from dicom_node.cli.terminal.times import Instant, shown, utc_option, zoned
from dicom_node.web.api import views
from storage.catalog import arrivals
from storage.catalog import instances as catalog
from storage.database import Database
from storage.errors import UnknownRecord
from storage.records import InstanceState, InstanceStatus
from storage.states import MEANINGS


@click.group()
def instances() -> None:
    """List and show every image received, analysed or not."""


@instances.command("list")
@config_option
@click.option("--state", type=click.Choice([one.value for one in InstanceState]))
@click.option("--reason", help="Only with this reason code, such as VIEW_LATERAL.")
@click.option("--since", type=Instant(), help="Only what came then or later.")
@click.option("--calling-ae", help="Only from this sender.")
@click.option("--patient-id")
@click.option("--accession-number")
@click.option("--study-instance-uid")
@click.option("--duplicates", is_flag=True, help="Only what came more than once.")
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True)
@click.option("--cursor", help="The next of the listing before.")
@utc_option
@json_option
def list_instances(
    config: Path | None, *, as_json: bool, utc: bool, **wanted: Any
) -> None:
    """List every image received, newest first: quarantined ones too."""
    wanted["since"] = zoned(wanted["since"], utc=utc)
    wanted["state"] = InstanceState(wanted["state"]) if wanted["state"] else None
    wanted["duplicates"] = wanted["duplicates"] or None
    with (
        opened_database(config) as database,
        database.transaction(read_only=True) as tx,
    ):
        page = arrivals.list_instances(tx, **wanted)
    found = [views.instance(item) for item in page.items]
    if as_json:
        items = [item.model_dump(mode="json") for item in found]
        print_json({"items": items, "next": page.next_cursor})
        return
    print_table(
        ("IMAGE", "STATE", "RECEIVED", "FROM", "CAME AGAIN", "REASON"),
        [_row(item, utc=utc) for item in found],
    )
    if page.next_cursor:
        click.echo(f"more: --cursor {page.next_cursor}")


@instances.command()
@click.argument("uid")
@config_option
@utc_option
@json_option
def show(config: Path | None, uid: str, *, utc: bool, as_json: bool) -> None:
    """Say what became of an image, by its SOP Instance UID."""
    with opened_database(config) as database:
        show_instance(database, uid, as_json=as_json, utc=utc)


def show_instance(database: Database, uid: str, *, as_json: bool, utc: bool) -> None:
    """Print what became of an image.

    Raises
    ------
    UnknownRecord
        No such image was ever received.
    """
    found, apart = _find(database, uid)
    kept_apart = [
        views.instance(one).model_dump(mode="json" if as_json else "python")
        for one in apart
    ]
    values = views.instance(found).model_dump(mode="json" if as_json else "python")
    if as_json:
        print_json(values | {"quarantined": kept_apart})
        return
    print_values(values, utc=utc)
    explain(database, found.state, uid, utc=utc)


def explain(database: Database, state: InstanceState, uid: str, *, utc: bool) -> None:
    """Print what a state means, and what else came under an image's UID."""
    standing = MEANINGS[state]
    click.echo(f"meaning: {standing.meaning}")
    click.echo(f"what to do: {standing.remedy}")
    with database.transaction(read_only=True) as tx:
        apart = arrivals.list_apart(tx, uid)
    for one in apart:
        image = one.instance
        at = shown(image.received_at, utc=utc)
        click.echo(
            f"quarantined: other bytes under this UID, from {image.calling_ae}, {at}"
        )


def _find(database: Database, uid: str) -> tuple[InstanceStatus, list[InstanceStatus]]:
    with database.transaction(read_only=True) as tx:
        apart = arrivals.list_apart(tx, uid)
        try:
            return catalog.get_status(tx, uid), apart
        except UnknownRecord as error:
            raise UnknownRecord(
                f"no job and no image {uid}: it was never stored here; the log says"
                " whether it was refused"
            ) from error


def _row(item: views.InstanceView, *, utc: bool) -> tuple[str, ...]:
    return (
        item.sop_instance_uid,
        item.state,
        shown(item.received_at, utc=utc),
        item.calling_ae,
        f"{item.duplicates} x" if item.duplicates else "",
        item.reason.code if item.reason else "",
    )
