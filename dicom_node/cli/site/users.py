"""``users``: local users of the pages, their roles and passwords."""

from pathlib import Path

import click

from dicom_node.cli.site.naming import (
    Name,
    RoleChoice,
    asked_password,
    changing_access,
    role_option,
)
from dicom_node.cli.terminal.options import config_option, opened_database
from dicom_node.cli.terminal.tables import json_option, print_json, print_table
from dicom_node.cli.terminal.times import shown, utc_option
from dicom_node.injected import clock
from dicom_node.web.api.users import UserView
from dicom_node.web.auth import passwords
from storage.access import users as accounts


@click.group()
def users() -> None:
    """List, add and remove local users, and change their roles and passwords."""


@users.command("list")
@config_option
@utc_option
@json_option
def list_users(config: Path | None, *, utc: bool, as_json: bool) -> None:
    """List the local users."""
    with (
        opened_database(config) as database,
        database.transaction(read_only=True) as tx,
    ):
        found = [UserView.model_validate(one) for one in accounts.list_users(tx)]
    if as_json:
        print_json({"items": [one.model_dump(mode="json") for one in found]})
        return
    print_table(
        ("NAME", "ROLE", "SINCE"),
        [(one.name, one.role, shown(one.created_at, utc=utc)) for one in found],
    )


@users.command()
@click.argument("name", type=Name())
@role_option()
@config_option
@json_option
def add(config: Path | None, name: str, role: str, *, as_json: bool) -> None:
    """Add a user; the password is asked for, or read from standard input."""
    password, now = asked_password(), clock()
    user = accounts.UserAccount(name, passwords.hashed(password), role, now, now)
    what = f"user {name} added, {role}"
    with changing_access(config, what, is_first=True) as tx:
        accounts.add(tx, user)
    if as_json:
        print_json(UserView.model_validate(user).model_dump(mode="json"))
    else:
        click.echo(f"{name} may sign in as {role}.")


@users.command()
@click.argument("name", type=Name())
@config_option
def remove(config: Path | None, name: str) -> None:
    """Remove a user; who is signed in by that name is so no more."""
    with changing_access(config, f"user {name} removed") as tx:
        accounts.remove(tx, name)
    click.echo(f"{name} is removed.")


@users.command()
@click.argument("name", type=Name())
@click.argument("role", type=RoleChoice)
@config_option
def role(config: Path | None, name: str, role: str) -> None:
    """Give a user another role, from the next request on."""
    with changing_access(config, f"user {name} has role {role}") as tx:
        accounts.set_role(tx, name, role)
    click.echo(f"{name} has the role {role}.")


@users.command()
@click.argument("name", type=Name())
@config_option
def password(config: Path | None, name: str) -> None:
    """Give a user another password, and sign that user out everywhere."""
    given = asked_password()
    with changing_access(config, f"user {name} has another password") as tx:
        accounts.set_password(tx, name, passwords.hashed(given), clock())
    click.echo(f"{name} has another password.")
