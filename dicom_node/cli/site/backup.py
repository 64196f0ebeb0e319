"""``backup`` and ``restore``: a copy of what the node remembers, and the way back."""

from pathlib import Path

import click

from dicom_node.cli.terminal.options import FolderPath, config_option
from dicom_node.cli.terminal.tables import json_option, print_json
from dicom_node.node.copies import Copied, CopyRefused
from dicom_node.node.copies import backup as copy_out
from dicom_node.node.copies import restore as copy_back
from dicom_node.node.doctor.running import find_running
from dicom_node.node.settings.load import Settings


@click.command()
@click.argument("folder", type=FolderPath)
@config_option
@json_option
def backup(config: Path | None, folder: Path, *, as_json: bool) -> None:
    """Copy database and objects to FOLDER while the node runs.

    Again into the same folder, only what is new is copied. It holds patients' images:
    keep it as closed as the node's own. A PostgreSQL database is copied by pg_dump,
    before this.
    """
    copied = copy_out(Settings.load(config), folder)
    _tell(copied, f"{folder} holds the copy.", as_json=as_json)


@click.command()
@click.argument("folder", type=FolderPath)
@config_option
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
def restore(config: Path | None, folder: Path, *, yes: bool, as_json: bool) -> None:
    """Put a copy of ``backup`` in the place of the database; stop the node first.

    Objects that are here stay. At the next start the node takes in what came since the
    copy; no result gets another UID. The database of now is kept beside it. A
    PostgreSQL database is put back by pg_restore, before this.
    """
    settings = Settings.load(config)
    if find_running(settings) is not None:
        raise CopyRefused("the node runs: stop it first")
    if not yes:
        click.confirm(f"Put {folder} into {settings.node.data_dir}?", abort=True)
    copied = copy_back(settings, folder)
    _tell(copied, "Restored. Start the node.", as_json=as_json)


def _tell(copied: Copied, what: str, *, as_json: bool) -> None:
    if as_json:
        print_json(
            {
                "objects": copied.objects,
                "size_bytes": copied.size_bytes,
                "database": copied.has_database,
            }
        )
        return
    click.echo(f"{copied.objects} objects copied, {copied.size_bytes} bytes.")
    if not copied.has_database:
        click.echo("The database is a server's: it is copied by its own tools.")
    click.echo(what)
