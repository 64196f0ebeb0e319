"""``keys``: API keys of programs; a key is shown once, when it is made."""

from datetime import timedelta
from pathlib import Path

import click

from dicom_node.cli.site.naming import Name, changing_access, role_option
from dicom_node.cli.terminal.options import config_option, opened_database
from dicom_node.cli.terminal.tables import json_option, print_json, print_table
from dicom_node.cli.terminal.times import shown, utc_option
from dicom_node.injected import clock
from dicom_node.web.api.keys import KeyView
from dicom_node.web.auth import tokens
from storage.access import api_keys

_LONGEST_DAYS = 3650


@click.group()
def keys() -> None:
    """List, add and revoke API keys."""


@keys.command("list")
@config_option
@utc_option
@json_option
def list_keys(config: Path | None, *, utc: bool, as_json: bool) -> None:
    """List the keys by name; the keys themselves are not kept."""
    with (
        opened_database(config) as database,
        database.transaction(read_only=True) as tx,
    ):
        found = [KeyView.model_validate(one) for one in api_keys.list_keys(tx)]
    if as_json:
        print_json({"items": [one.model_dump(mode="json") for one in found]})
        return
    print_table(
        ("NAME", "ROLE", "EXPIRES", "USED"),
        [
            (
                one.name,
                one.role,
                shown(one.expires_at, utc=utc),
                shown(one.used_at, utc=utc),
            )
            for one in found
        ],
    )


@keys.command()
@click.argument("name", type=Name())
@role_option("viewer")
@click.option(
    "--days",
    type=click.IntRange(1, _LONGEST_DAYS),
    help="How long it is good for; else until it is revoked.",
)
@config_option
@json_option
def add(
    config: Path | None, name: str, role: str, days: int | None, *, as_json: bool
) -> None:
    """Make a key, and show it this once."""
    secret, now = tokens.new_key(), clock()
    ends = now + timedelta(days=days) if days else None
    key = api_keys.ApiKey(name, tokens.digest(secret), role, now, ends)
    what = f"key {name} added, {role}"
    with changing_access(config, what, is_first=True) as tx:
        api_keys.add(tx, key)
    if as_json:
        told = KeyView.model_validate(key).model_dump(mode="json")
        print_json(told | {"key": secret})
        return
    click.echo(secret)
    click.echo("It is not shown again. Send it as: Authorization: Bearer …", err=True)


@keys.command()
@click.argument("name", type=Name())
@config_option
def revoke(config: Path | None, name: str) -> None:
    """Remove a key; the next request with it is refused."""
    with changing_access(config, f"key {name} revoked") as tx:
        api_keys.revoke(tx, name)
    click.echo(f"{name} is revoked.")
