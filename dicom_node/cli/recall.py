"""``recall``: call back what a bad model said, while the node runs."""

import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import click

from dicom_node.cli.jobs import NameAtVersion
from dicom_node.cli.terminal.options import config_option, opened_database
from dicom_node.cli.terminal.tables import json_option, print_json
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
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
def recall(
    config: Path | None,
    model: tuple[str, str],
    reason: Cause,
    *,
    dry_run: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """Call back all results of a model by rejection notes, and list them.

    One Key Object Selection per study goes to every destination that received
    results; what has not been sent is not sent any more. Switch the node to another
    model first. It asks before it acts. Running it again sends failed notes again and
    shows how they stand.
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
        studies = work.list(*model)
        if not studies:
            raise UnknownRecord(f"there are no results of model {'@'.join(model)}")
        if not dry_run:
            if not yes:
                _ask(model, reason, studies)
            work.run(*model, reason)
            studies = work.list(*model)
    if as_json:
        print_json({"items": [asdict(study) for study in studies]})
        return
    configured = {section.name for section in settings.destinations}
    for study in studies:
        _show(study, configured)
    objects = sum(len(study.objects) for study in studies)
    done = "would be recalled" if dry_run else "recalled"
    click.echo(f"{objects} objects in {len(studies)} studies {done}")


def at_terminal() -> bool:
    """Tell whether somebody sits there who can be asked."""
    return sys.stdin.isatty()


def _ask(
    model: tuple[str, str], reason: Cause, studies: Sequence[RecalledStudy]
) -> None:
    """Let somebody say yes who has seen how much it is.

    Raises
    ------
    UsageError
        Nobody sits there to be asked.
    Abort
        The answer was no.
    """
    name = "@".join(model)
    if not at_terminal():
        raise click.UsageError(
            f"recalling {name} needs a yes: say --yes, or --dry-run to see what it does"
        )
    objects = sum(len(study.objects) for study in studies)
    click.confirm(
        f"Call back {objects} objects of {name} in {len(studies)} studies,"
        f" for reasons of {reason}? It cannot be undone.",
        abort=True,
        err=True,
    )


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
