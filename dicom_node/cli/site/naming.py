"""What the commands about users and keys have in common."""

import getpass
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import click

from dicom_node.monitoring.audit import occasions
from dicom_node.monitoring.audit.occasions import Caller
from dicom_node.node.private_files import keep_private
from dicom_node.node.settings.load import Settings
from dicom_node.node.wiring.monitoring.audit import make_trail
from dicom_node.node.wiring.storage import opened_database, ready_database
from dicom_node.web.auth import passwords
from dicom_node.web.auth.principal import ROLE_WORDS
from storage.database import Database, Transaction

_LONGEST_NAME = 200


class Name(click.ParamType[str]):
    """What a user or a key is called."""

    name = "name"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> str:
        """Look whether it can be written in a line."""
        text = str(value)
        if not 1 <= len(text) <= _LONGEST_NAME or text != text.strip():
            self.fail(f"a name has 1 to {_LONGEST_NAME} characters", param, ctx)
        if not text.isprintable():
            self.fail("a name is printable", param, ctx)
        return text


RoleChoice = click.Choice(ROLE_WORDS)


def role_option(default: str | None = None) -> Callable[..., Any]:
    """Add ``--role``."""
    chosen: dict[str, Any] = {"required": True}
    if default is not None:
        chosen = {"default": default, "show_default": True}
    return click.option(
        "--role",
        type=RoleChoice,
        help="viewer reads, operator also changes jobs and stores, admin may all.",
        **chosen,
    )


@contextmanager
def prepared_database(config: Path | None) -> Iterator[Database]:
    """Open the database, and make the embedded one where no node has run yet."""
    settings = Settings.load(config)
    keep_private(settings.node.data_dir)
    with closing(ready_database(settings)) as database:
        yield database


@contextmanager
def changing_access(
    config: Path | None, what: str, *, is_first: bool = False
) -> Iterator[Transaction]:
    """Change who may what, in one transaction that the audit trail tells of.

    Parameters
    ----------
    what
        What the trail says.
    is_first
        Whether the database may have to be made.
    """
    settings = Settings.load(config)
    opened = prepared_database(config) if is_first else opened_database(settings)
    with opened as database:
        with database.transaction() as tx:
            yield tx
        who = Caller(getpass.getuser())
        changed = occasions.access_changed(who, settings.node.ae_title, what)
        make_trail(settings, database).record(changed)


def asked_password() -> str:
    """Ask at a terminal, twice; take a line where there is none."""
    if sys.stdin.isatty():
        given: str = click.prompt(
            "Password", hide_input=True, confirmation_prompt=True, err=True
        )
    else:
        given = sys.stdin.readline(passwords.LONGEST + 2).rstrip("\r\n")
    if trouble := passwords.trouble_with(given):
        raise click.UsageError(trouble)
    return given
