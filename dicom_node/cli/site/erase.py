"""``erase``: everything about one patient here, and what others still hold."""

from dataclasses import asdict
from pathlib import Path

import click

from dicom_node.cli.terminal.options import config_option
from dicom_node.cli.terminal.tables import json_option, print_json, print_table
from dicom_node.cli.terminal.times import shown, utc_option
from dicom_node.node.erasure import erase_patient
from dicom_node.node.settings.load import Settings
from dicom_node.node.wiring.storage import make_store, opened_database
from storage.catalog import erasure
from storage.catalog.erasure import PatientFound


@click.command()
@click.option("--patient", "patient_id", required=True, metavar="ID")
@click.option("--dry-run", is_flag=True, help="Say what would go, and remove nothing.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@config_option
@utc_option
@json_option
def erase(
    config: Path | None, patient_id: str, *, dry_run: bool, yes: bool, **shown_as: bool
) -> None:
    """Remove images, results, jobs and events of one patient, by Patient ID.

    Lists the results that destinations still hold: they have to be removed there.
    Copies of the database and of the objects are not touched.
    """
    settings = Settings.load(config)
    with opened_database(settings) as database:
        with database.transaction(read_only=True) as tx:
            found = erasure.find(tx, patient_id)
        nothing = not found.images and not found.pushed
        if not dry_run and not nothing:
            if not yes:
                click.confirm(_sentence(found, "will be removed"), abort=True)
            found = erase_patient(database, make_store(settings), patient_id)
    _tell(found, is_done=not dry_run and not nothing, **shown_as)


def _tell(found: PatientFound, *, is_done: bool, utc: bool, as_json: bool) -> None:
    if as_json:
        told = asdict(found)
        for one in told["sent"]:
            one["sent_at"] = one["sent_at"].isoformat() if one["sent_at"] else None
        print_json({"erased": is_done} | told)
        return
    click.echo(_sentence(found, "were removed" if is_done else "are here") + ".")
    if found.open_jobs and not is_done:
        click.echo(f"Not ended: {', '.join(found.open_jobs)}.")
    if found.sent:
        click.echo("Destinations still hold:")
        print_table(
            ("DESTINATION", "OBJECT", "STUDY", "SENT"),
            [
                (
                    one.destination,
                    one.sop_instance_uid,
                    one.study_instance_uid,
                    shown(one.sent_at, utc=utc),
                )
                for one in found.sent
            ],
        )


def _sentence(found: PatientFound, what: str) -> str:
    return (
        f"{len(found.images)} images, {len(found.results)} results,"
        f" {len(found.jobs) + len(found.pushed)} jobs {what}"
    )
