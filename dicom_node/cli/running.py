"""``serve`` and ``migrate``."""

import logging
import signal
import threading
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import click

from dicom_node.cli.terminal.options import config_option
from dicom_node.errors import NodeError
from dicom_node.node import logs
from dicom_node.node.private_files import keep_private
from dicom_node.node.roles import Role
from dicom_node.node.settings.load import Settings
from dicom_node.node.wiring.storage import make_database
from storage.errors import StorageError

if TYPE_CHECKING:
    from dicom_node.node.node import Node

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
    keep_private(settings.node.data_dir)
    _open_log(settings)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    hung_up = threading.Event()
    signal.signal(signal.SIGHUP, lambda *_: hung_up.set())
    with Node(settings, Role(role)) as node:
        while not stop.wait(_LOOK_S):
            node.remind()
            if hung_up.is_set():
                hung_up.clear()
                _reload(node, config)


def _open_log(settings: Settings) -> None:
    section = settings.node
    logs.configure(section.log_level, section.log_format, file=section.log_file)


def _reload(node: "Node", config: Path | None) -> None:
    """Read the configuration again; what cannot be used changes nothing."""
    extra = {"action": "reload"}
    try:
        settings = Settings.load(config)
        logs.try_file(settings.node.log_file)
        waiting = node.reload(settings)
        _open_log(settings)
    except (NodeError, StorageError, OSError) as error:
        logger.error(  # noqa: TRY400  foreseen: one line
            "SIGHUP: the node goes on as it was: %s.", error, extra=extra
        )
        return
    logger.info(
        "SIGHUP: certificates, peers, destinations and log were read again.",
        extra=extra,
    )
    if waiting:
        keys = ", ".join(waiting)
        logger.warning("Changed, and waiting for a restart: %s.", keys, extra=extra)


@click.command()
@config_option
def migrate(config: Path | None) -> None:
    """Bring the database to the current schema (serve does it on SQLite)."""
    with closing(make_database(Settings.load(config))) as database:
        database.migrate()
    click.echo("The database has the current schema.")
