"""``jobs``: how the work stands, for administrators at a terminal."""

from datetime import datetime
from pathlib import Path
from typing import Any

import click

from dicom_node.cli.instances import explain, show_instance
from dicom_node.cli.terminal.options import config_option, opened_database
from dicom_node.cli.terminal.tables import (
    json_option,
    print_json,
    print_table,
    print_values,
)
from dicom_node.cli.terminal.times import Instant, shown, utc_option, zoned
from dicom_node.node.wiring.worklist import make_steps
from dicom_node.web.api import views
from dicom_node.worklist.procedure_step import ProcedureSteps
from storage.database import Database
from storage.errors import ObjectMissing, TransitionRefused, UnknownRecord
from storage.records import InstanceState, ProcedureStepState
from storage.worklist import repeats, workitems
from storage.worklist.jobs import list_jobs as listed_jobs

BEHIND = -1
"""Priority of what is reprocessed in bulk: new films go first."""


class NameAtVersion(click.ParamType[tuple[str, str]]):
    """A model's name and version."""

    name = "name@version"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, str]:
        """Read it."""
        name, _, version = str(value).partition("@")
        if not name or not version:
            self.fail(f"{value!r} is not NAME@VERSION", param, ctx)
        return name, version


@click.group()
def jobs() -> None:
    """List, show, retry, reprocess and cancel jobs."""


@jobs.command("list")
@config_option
@click.option("--state", type=click.Choice([one.value for one in ProcedureStepState]))
@click.option("--stage", type=click.Choice([one.value for one in InstanceState]))
@click.option("--since", type=Instant(), help="Only jobs scheduled then or later.")
@utc_option
@click.option("--patient-id")
@click.option("--accession-number")
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True)
@click.option("--cursor", help="The next of the listing before.")
@json_option
def list_jobs(config: Path | None, *, as_json: bool, utc: bool, **wanted: Any) -> None:
    """List jobs, newest first."""
    with (
        opened_database(config) as database,
        database.transaction(read_only=True) as tx,
    ):
        page = listed_jobs(tx, **_plain(wanted, utc=utc))
    found = [views.job(item) for item in page.items]
    if as_json:
        items = [item.model_dump(mode="json") for item in found]
        print_json({"items": items, "next": page.next_cursor})
        return
    print_table(
        ("JOB", "STATE", "STAGE", "SCHEDULED", "SEVERITY", "REASON"),
        [_row(item, utc=utc) for item in found],
    )
    if page.next_cursor:
        click.echo(f"more: --cursor {page.next_cursor}")


@jobs.command()
@click.argument("uid")
@config_option
@utc_option
@json_option
def show(config: Path | None, uid: str, *, utc: bool, as_json: bool) -> None:
    """Show a job by its own UID, or say what became of an image by the image's."""
    with opened_database(config) as database:
        try:
            found = views.job(_steps(database).job(_workitem(database, uid)))
        except UnknownRecord:
            # An image without a job is no job, but it has a story to tell.
            show_instance(database, uid, as_json=as_json, utc=utc)
            return
        if as_json:
            print_json(found.model_dump(mode="json"))
            return
        print_values(found.model_dump(), utc=utc)
        explain(database, found.stage, found.sop_instance_uid, utc=utc)


@jobs.command()
@click.argument("uid")
@config_option
def retry(config: Path | None, uid: str) -> None:
    """Repeat a failed analysis, or send what was given up, without the model."""
    with opened_database(config) as database:
        again = _steps(database).retry(_workitem(database, uid))
    click.echo(again)


@jobs.command()
@click.argument("uids", metavar="[UID]...", nargs=-1)
@config_option
@click.option("--since", type=Instant(), help="Images received then or later.")
@click.option("--model", type=NameAtVersion(), help="Images analysed by this model.")
@click.option("--dry-run", is_flag=True, help="Only list the jobs.")
@utc_option
def reprocess(
    config: Path | None,
    uids: tuple[str, ...],
    since: datetime | None,
    model: tuple[str, str] | None,
    *,
    dry_run: bool,
    utc: bool,
) -> None:
    """Analyse images again that have been analysed, with the model of now.

    The same model and settings send the stored results again; another model makes a
    new set that names the one before. Many images, chosen by --since or --model, wait
    behind new ones.
    """
    chosen = since is not None or model is not None
    if bool(uids) == chosen:
        raise click.UsageError("give UIDs, or --since, --model or both")
    with opened_database(config) as database:
        steps = _steps(database)
        found = [_workitem(database, uid) for uid in uids]
        if chosen:
            with database.transaction(read_only=True) as tx:
                found = repeats.reprocessable(
                    tx, since=zoned(since, utc=utc), model=model
                )
        priority = BEHIND if chosen else None
        refused = 0
        for uid in found:
            try:
                click.echo(uid if dry_run else steps.reprocess(uid, priority))
            except (TransitionRefused, ObjectMissing) as error:
                # One that changed meanwhile must not keep the others from it.
                refused += 1
                click.echo(f"cxr-node: {error}", err=True)
    if refused:
        raise SystemExit(1)


@jobs.command()
@click.argument("uid")
@config_option
def cancel(config: Path | None, uid: str) -> None:
    """Ask for a job to end; what runs ends at its next step."""
    with opened_database(config) as database:
        _steps(database).request_cancel(_workitem(database, uid))
    click.echo("Cancel requested.")


def _steps(database: Database) -> ProcedureSteps:
    return make_steps(database)


def _workitem(database: Database, uid: str) -> str:
    """Take a Workitem's UID, or find the Workitem of an image."""
    with database.transaction(read_only=True) as tx:
        found = workitems.find(tx, uid)
        if found is not None:
            return found.workitem_uid
        try:
            return workitems.get(tx, uid).workitem_uid
        except UnknownRecord as error:
            raise UnknownRecord(f"no job {uid}") from error


def _plain(wanted: dict[str, Any], *, utc: bool) -> dict[str, Any]:
    state, stage = wanted["state"], wanted["stage"]
    return wanted | {
        "since": zoned(wanted["since"], utc=utc),
        "state": ProcedureStepState(state) if state else None,
        "stage": InstanceState(stage) if stage else None,
    }


def _row(item: views.JobView, *, utc: bool) -> tuple[str, ...]:
    severity = f"{item.severity.total:.1f} %" if item.severity else ""
    return (
        item.workitem_uid,
        item.state,
        item.stage,
        shown(item.timings.scheduled_at, utc=utc),
        severity,
        item.reason.code if item.reason else "",
    )
