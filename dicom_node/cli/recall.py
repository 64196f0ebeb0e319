"""``recall``: call back what a bad model said, while the node runs."""

from dataclasses import asdict
from pathlib import Path

import click

from dicom_node.cli.jobs import NameAtVersion, json_option, print_json
from dicom_node.cli.options import config_option, opened_database
from dicom_node.node.settings.load import Settings
from dicom_node.node.wiring.evidence import make_recall
from dicom_node.node.wiring.model import model_folder
from dicom_node.worklist.recall import TITLES, Cause, RecalledStudy
from inference.errors import InferenceError
from inference.manifest import read_manifest
from storage.errors import UnknownRecord


@click.command()
@config_option
@click.option("--model", type=NameAtVersion(), required=True, help="The bad model.")
@click.option(
    "--reason",
    type=click.Choice(list(TITLES)),
    default="quality",
    show_default=True,
    help="What the rejection note gives as its reason.",
)
@click.option("--dry-run", is_flag=True, help="Only list what would be called back.")
@json_option
def recall(
    config: Path | None,
    model: tuple[str, str],
    reason: Cause,
    *,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Call back all results of a model by rejection notes, and list them.

    One Key Object Selection per study goes to every destination that received
    results; what has not been sent is not sent any more. Switch the node to another
    model first. Running it again sends failed notes again and shows how they stand.
    """
    settings = Settings.load(config)
    if settings_model(settings) == model:
        click.echo(
            "cxr-node: this model is still the configured one: new images get its"
            " results until the node runs another",
            err=True,
        )
    with opened_database(config) as database:
        work = make_recall(settings, database)
        if not dry_run:
            work.run(*model, reason)
        studies = work.list(*model)
    if not studies:
        raise UnknownRecord(f"there are no results of model {'@'.join(model)}")
    if as_json:
        print_json({"items": [asdict(study) for study in studies]})
        return
    configured = {section.name for section in settings.destinations}
    for study in studies:
        _show(study, configured)
    objects = sum(len(study.objects) for study in studies)
    done = "would be recalled" if dry_run else "recalled"
    click.echo(f"{objects} objects in {len(studies)} studies {done}")


def settings_model(settings: Settings) -> tuple[str, str] | None:
    """Name the configured model, if it can be found."""
    try:
        manifest = read_manifest(model_folder(settings))
    except InferenceError:
        return None
    return manifest.name, manifest.version


def _show(study: RecalledStudy, configured: set[str]) -> None:
    click.echo(f"study {study.study_instance_uid}")
    for uid in study.objects:
        click.echo(f"  object {uid}")
    for uid in study.rejection_note_uids:
        click.echo(f"  rejection note {uid}")
    for name, state in study.destinations.items():
        known = "" if name in configured else " (not configured any more)"
        click.echo(f"  destination {name}: {state or 'has results'}{known}")
    if not study.destinations:
        click.echo("  nobody had received anything")
