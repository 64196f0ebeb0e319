"""``serve`` and ``migrate``."""

import logging
import signal
import threading
from contextlib import closing
from pathlib import Path

import click

from dicom_node.cli.terminal.options import config_option
from dicom_node.node import logs
from dicom_node.node.private_files import keep_private
from dicom_node.node.roles import Role
from dicom_node.node.settings.load import Settings
from dicom_node.node.wiring.storage import make_database

logger = logging.getLogger(__name__)
_LOOK_S = 0.5


@click.command()
@config_option
@click.option(
    "--role",
    type=click.Choice([role.value for role in Role]),
    default=Role.ALL.value,
    show_default=True,
    help="Which parts run in this process.",
)
def serve(config: Path | None, role: str) -> None:
    """Run the node until SIGTERM or Ctrl-C; then finish what runs and exit 0."""
    # Late: it brings the model's and the pixels' libraries along.
    from dicom_node.node.node import Node  # noqa: PLC0415  see above

    settings = Settings.load(config)
    logs.configure(settings.node.log_level, settings.node.log_format)
    keep_private(settings.node.data_dir)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    hung_up = threading.Event()
    signal.signal(signal.SIGHUP, lambda *_: hung_up.set())
    with Node(settings, Role(role)):
        while not stop.wait(_LOOK_S):
            if hung_up.is_set():
                hung_up.clear()
                _tell_hung_up()


def _tell_hung_up() -> None:
    """Say that the node goes on as it was: a terminal that closes does not end it."""
    logger.info(
        "SIGHUP: the node goes on. Nothing was read again, certificates, peers and "
        "destinations neither: restart it for those. The log goes to standard error "
        "and needs no reopening.",
        extra={"action": "hang-up"},
    )


@click.command()
@config_option
def migrate(config: Path | None) -> None:
    """Bring the database to the current schema (serve does it on SQLite)."""
    with closing(make_database(Settings.load(config))) as database:
        database.migrate()
    click.echo("The database has the current schema.")
