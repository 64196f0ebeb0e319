"""How commands print what they found: a table, a list of names and values, or JSON."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import click

from dicom_node.cli.terminal.times import shown

json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print JSON, as the HTTP interface does."
)


def print_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print rows under a head, in columns."""
    table = [head, *rows]
    widths = [max(len(cell) for cell in column) for column in zip(*table, strict=True)]
    for row in table:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        click.echo("  ".join(cells).rstrip())


def print_json(value: Any) -> None:
    """Print a value as JSON."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))


def print_values(values: Mapping[str, Any], *, utc: bool) -> None:
    """Print names and values, lists of tables line by line."""

    def words(value: Any) -> str:
        return _words(value, lambda at: shown(at, utc=utc))

    for name, value in values.items():
        if isinstance(value, list) and value and isinstance(value[0], dict):
            click.echo(f"{name}:")
            for item in value:
                click.echo("  - " + words(item))
        else:
            click.echo(f"{name}: {words(value)}")


def _words(value: Any, told: Callable[[datetime], str]) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_words(one, told)}" for name, one in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(_words(one, told) for one in value)
    if isinstance(value, datetime):
        return told(value)
    return "-" if value is None or value == "" else str(value)
