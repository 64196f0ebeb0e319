"""``init``: a configuration that works, and the first admin, from five answers."""

import json
import re
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from dicom_node.cli.network import explained
from dicom_node.cli.site.naming import Name, asked_password
from dicom_node.cli.terminal.options import FilePath
from dicom_node.dimse.scu import verification
from dicom_node.dimse.scu.association import RemoteAE
from dicom_node.errors import NodeError, PeerUnreachable
from dicom_node.injected import clock
from dicom_node.node.private_files import keep_private
from dicom_node.node.settings.load import Settings
from dicom_node.node.wiring.remotes import timeouts
from dicom_node.node.wiring.storage import ready_database
from dicom_node.web.auth import passwords
from storage.access import users as accounts

USUAL_PORTS = (104, 11112, 4242)
"""Where a PACS listens that nobody has told a port of."""
_PACS = re.compile(
    r"(?P<ae>[^@]{1,16})@(?P<host>\[[^\]]+\]|[^:]+)(:(?P<port>\d{1,5}))?"
)
_MODALITY = re.compile(r"(?P<ae>[^@]{1,16})(@(?P<address>.+))?")
_PATIENCE_S = 5.0
_WAITS = ("connection_timeout_s", "association_timeout_s", "message_timeout_s")


@dataclass(frozen=True, slots=True)
class Answers:
    """What a site says of itself."""

    ae_title: str
    data_dir: Path
    modality: str
    pacs: str
    admin: str


@click.command()
@click.option(
    "--output",
    type=FilePath,
    default=Path("node.toml"),
    show_default=True,
    help="The configuration to write; one that is there stays.",
)
@click.option("--ae-title", prompt="AE title of this node", default="CXR_NODE")
@click.option(
    "--data-dir",
    prompt="Folder for images and database",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("var"),
)
@click.option(
    "--modality",
    prompt="Who sends films: AE title, or AE@address (empty: nobody yet)",
    default="",
)
@click.option(
    "--pacs",
    prompt="Where results go: AE@host or AE@host:port (empty: nowhere yet)",
    default="",
)
@click.option(
    "--admin",
    prompt="Name of the first admin (empty: none)",
    default="",
)
@click.option(
    "--no-echo", is_flag=True, help="Do not ask the PACS whether it is there."
)
def init(output: Path, *, no_echo: bool, **given: Any) -> None:
    """Set a node up: ask the PACS by C-ECHO, write node.toml, add the first admin.

    Each question can be answered by its option. Nothing is written when the PACS does
    not answer, or when an answer cannot be used.
    """
    answers = Answers(**given)
    if output.exists():
        raise click.UsageError(f"{output} is there already")
    if answers.admin:
        Name().convert(answers.admin, None, click.get_current_context())
    keys = _keys(answers)
    Settings.load(None, keys)
    if answers.pacs:
        keys["destinations"] = [_destination(answers, no_echo=no_echo)]
    settings = Settings.load(None, keys)
    password = asked_password() if answers.admin else ""
    _add_admin(settings, answers.admin, password)
    _write(output, keys)
    here = f"http://{settings.http.host}:{settings.http.port}/"
    click.echo(f"{output} is written. Next: cxr-node doctor --config {output}")
    click.echo(f"Then: cxr-node serve --config {output}, and open {here}")


def _keys(answers: Answers) -> dict[str, Any]:
    keys: dict[str, Any] = {
        "node": {
            "ae_title": answers.ae_title,
            "data_dir": str(answers.data_dir.absolute()),
        }
    }
    if answers.modality:
        found = _MODALITY.fullmatch(answers.modality)
        if found is None:
            raise click.UsageError("--modality is AE or AE@address")
        peer = {"ae_title": found["ae"]}
        if found["address"]:
            peer["address"] = found["address"]
        keys["dimse"] = {"peers": [peer]}
    return keys


def _destination(answers: Answers, *, no_echo: bool) -> dict[str, Any]:
    match = _PACS.fullmatch(answers.pacs)
    if match is None:
        raise click.UsageError("--pacs is AE@host or AE@host:port")
    host = match["host"].strip("[]")
    ports = (int(match["port"]),) if match["port"] else USUAL_PORTS
    places = [RemoteAE(match["ae"], host, port) for port in ports]
    found = places[0] if no_echo else _first_that_answers(places, answers.ae_title)
    return {
        "name": "pacs",
        "kind": "dimse",
        "ae_title": found.ae_title,
        "host": found.host,
        "port": found.port,
    }


def _first_that_answers(places: list[RemoteAE], calling_ae: str) -> RemoteAE:
    """Ask one port after the other.

    Raises
    ------
    NodeError
        None answers; the text is about the one that came nearest to it.
    """
    refusals = []
    for place, refusal in _asked(places, calling_ae):
        if refusal is None:
            click.echo(f"{place} answers.")
            return place
        refusals.append(refusal)
    refusals.sort(key=lambda one: isinstance(one.__cause__, PeerUnreachable))
    raise refusals[0]


def _asked(
    places: list[RemoteAE], calling_ae: str
) -> Iterator[tuple[RemoteAE, NodeError | None]]:
    waits = timeouts(Settings.load(None, {"dimse": dict.fromkeys(_WAITS, _PATIENCE_S)}))
    for place in places:
        try:
            with explained(place, calling_ae, waits):
                verification.echo(place, calling_ae=calling_ae, timeouts=waits)
        except NodeError as error:
            yield place, error
        else:
            yield place, None


def _add_admin(settings: Settings, name: str, password: str) -> None:
    keep_private(settings.node.data_dir)
    with closing(ready_database(settings)) as database:
        if not name:
            return
        now = clock()
        user = accounts.UserAccount(name, passwords.hashed(password), "admin", now, now)
        with database.transaction() as tx:
            accounts.add(tx, user)


def _write(output: Path, keys: dict[str, Any]) -> None:
    """Write the answers as TOML; all other keys have their defaults."""
    lines = ["# Every other key has its default: see conf/node.toml.", ""]
    for table, values in keys.items():
        if isinstance(values, list):
            for entry in values:
                lines += [f"[[{table}]]", *_pairs(entry), ""]
            continue
        plain = {key: one for key, one in values.items() if not isinstance(one, list)}
        if plain:
            lines += [f"[{table}]", *_pairs(plain), ""]
        for key, entries in values.items():
            if isinstance(entries, list):
                for entry in entries:
                    lines += [f"[[{table}.{key}]]", *_pairs(entry), ""]
    output.parent.mkdir(parents=True, exist_ok=True)
    with output.open("x", encoding="utf-8") as file:
        file.write("\n".join(lines))


def _pairs(values: dict[str, Any]) -> list[str]:
    # A JSON string is a TOML string, where it is not made ASCII.
    return [
        f"{key} = {json.dumps(one, ensure_ascii=False)}" for key, one in values.items()
    ]
