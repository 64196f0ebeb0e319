"""``adopt``: let a database have the store that it does not know."""

from contextlib import closing
from pathlib import Path

import click
from tqdm import tqdm

from dicom_node.cli.terminal.options import config_option, keep_libraries_quiet
from dicom_node.node import logs
from dicom_node.node.settings.load import Settings


@click.command()
@config_option
@click.option("--yes", is_flag=True, help="Do not ask.")
def adopt(config: Path | None, *, yes: bool) -> None:
    """Take images of the store into a database that does not know them.

    For a database that is new, or that belonged to another store. What was received
    is recorded and queued as if it had just come, behind new images; results that are
    in the store are sent again, byte for byte. Stop the node first.
    """
    # Late: it brings the pixels' libraries along.
    from dicom_node.node.wiring.parts import opened_parts  # noqa: PLC0415  see above

    settings = Settings.load(config)
    logs.configure("ERROR", "text")
    keep_libraries_quiet()
    parts = opened_parts(settings)
    with closing(parts.database):
        made, received = parts.adoption.find()
        click.echo(
            f"{settings.node.data_dir} holds {len(received)} objects that were received"
            f" and {len(made)} that were made here, which the database does not know."
        )
        if not yes:
            click.confirm(
                "Take them in and bind the database to this store?", abort=True
            )
        with tqdm(total=len(made) + len(received), unit=" objects") as bar:
            adopted = parts.bond.take_over(made + received, bar.update)
    click.echo(
        f"{adopted.queued} images are queued, {adopted.recorded} objects recorded,"
        f" {adopted.known} known already, {adopted.aside} set aside as unreadable."
    )
