"""``send`` and ``echo``: a C-STORE and C-ECHO client."""

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import click
from tqdm import tqdm

from dicom_node.cli.terminal.options import AnyPath, config_option
from dicom_node.cli.terminal.words import did_you_mean
from dicom_node.dimse.acceptor.admission import Peer
from dicom_node.dimse.scu import diagnosis, storage, verification
from dicom_node.dimse.scu.association import RemoteAE, Timeouts
from dicom_node.errors import (
    DatasetInvalid,
    NodeError,
    PeerBusy,
    PeerRefused,
    PeerUnreachable,
)
from dicom_node.node.settings.destinations import DimseDestinationSection
from dicom_node.node.settings.load import Settings
from dicom_node.node.wiring.remotes import remote_ae, timeouts

_TARGET = re.compile(r"(?P<ae>[^@]{1,16})@(?P<host>\[[^\]]+\]|[^:]+):(?P<port>\d{1,5})")
_PREAMBLE_BYTES = 128


def remote_of(settings: Settings, target: str) -> RemoteAE:
    """Understand ``NAME`` of a destination, or ``AE@HOST:PORT``."""
    for section in settings.destinations:
        if section.name != target:
            continue
        if isinstance(section, DimseDestinationSection):
            return remote_ae(settings, section)
        raise click.BadParameter(
            f"{target!r} takes STOW-RS, and this command speaks DIMSE; doctor asks it"
        )
    match = _TARGET.fullmatch(target)
    if match is None:
        names = [one.name for one in settings.destinations]
        meant = did_you_mean(target, names)
        raise click.BadParameter(
            f"{target!r} is neither AE@HOST:PORT nor a destination"
            f" ({', '.join(names) or 'none is configured'}){meant}"
        )
    return RemoteAE(match["ae"], match["host"].strip("[]"), int(match["port"]))


def calling_title(settings: Settings, remote: RemoteAE) -> str:
    """Choose who calls where nobody says: this node, or at itself one whom it knows.

    A node is not among its own peers, so that a film sent to it by hand comes in the
    name of the first peer that may call from this machine.
    """
    own = settings.node.ae_title
    here = ("127.0.0.1", "localhost", "::1", settings.dimse.host)
    if remote.host not in here or remote.ae_title != own:
        return own
    for peer in settings.dimse.peers:
        if Peer(peer.ae_title, peer.address).comes_from("127.0.0.1"):
            return peer.ae_title
    return own


@contextmanager
def explained(remote: RemoteAE, calling_ae: str, waits: Timeouts) -> Iterator[None]:
    """Say of a failed call why it failed, and what to do about it."""
    try:
        yield
    except (PeerUnreachable, PeerBusy, PeerRefused) as error:
        text = diagnosis.explain(error, remote, calling_ae, waits)
        raise NodeError(text) from error


def dicom_files(paths: Iterable[Path]) -> Iterator[Path]:
    """Name the files given, and the DICOM files in the folders given, sorted."""
    for path in paths:
        if path.is_dir():
            yield from (found for found in sorted(path.rglob("*")) if is_dicom(found))
        else:
            yield path


def is_dicom(path: Path) -> bool:
    """Whether a file calls itself DICOM, by name or by its prefix (PS3.10 7.1)."""
    if not path.is_file():
        return False
    if path.suffix.lower() in (".dcm", ".dicom"):
        return True
    with path.open("rb") as file:
        file.seek(_PREAMBLE_BYTES)
        return file.read(4) == b"DICM"


calling_option = click.option(
    "--calling",
    "--calling-ae",
    "calling_ae",
    metavar="AE",
    help="Our AE title. Default: node.ae_title; to this node itself, a peer of it.",
)


@click.command()
@click.argument("paths", nargs=-1, required=True, type=AnyPath, metavar="FILE_OR_DIR…")
@click.option(
    "--to",
    "target",
    required=True,
    metavar="NAME|AE@HOST:PORT",
    help="A destination of the configuration, or an address.",
)
@config_option
@calling_option
def send(
    paths: tuple[Path, ...], target: str, config: Path | None, calling_ae: str | None
) -> None:
    """Send DICOM files by C-STORE; exit 1 when any was not stored."""
    settings = Settings.load(config)
    remote = remote_of(settings, target)
    files, unreadable = _outgoing(paths)
    if not files and not unreadable:
        raise click.UsageError("there is no DICOM file in these folders")
    calling = calling_ae or calling_title(settings, remote)
    with explained(remote, calling, timeouts(settings)):
        results = storage.send(
            files, remote, calling_ae=calling, timeouts=timeouts(settings)
        )
        stored = _follow(files, results, remote)
    refused = unreadable + len(files) - stored
    click.echo(f"{stored} stored, {refused} not.")
    if refused:
        raise SystemExit(1)


def _outgoing(paths: Iterable[Path]) -> tuple[list[storage.Outgoing], int]:
    """Read what is to be sent, and count what is no DICOM file."""
    files: list[storage.Outgoing] = []
    unreadable = 0
    for path in dicom_files(paths):
        try:
            files.append(storage.Outgoing.read(path))
        except DatasetInvalid as error:
            unreadable += 1
            click.echo(f"{path}: {error}", err=True)
    return files, unreadable


def _follow(
    files: Sequence[storage.Outgoing],
    results: Iterable[storage.SendResult],
    remote: RemoteAE,
) -> int:
    """Tell what is not stored, while a bar runs; count what is."""
    stored = 0
    # No bar where nobody looks.
    progress = tqdm(results, total=len(files), unit="object", disable=None)
    for file, result in zip(files, progress, strict=False):
        if result.error is None:
            stored += 1
        else:
            progress.write(f"{file.path}: {remote}: {result.error}")
    return stored


@click.command()
@click.argument("target", metavar="NAME|AE@HOST:PORT")
@config_option
@calling_option
def echo(target: str, config: Path | None, calling_ae: str | None) -> None:
    """Ask a peer by C-ECHO whether it is there."""
    settings = Settings.load(config)
    remote = remote_of(settings, target)
    calling = calling_ae or calling_title(settings, remote)
    with explained(remote, calling, timeouts(settings)):
        verification.echo(remote, calling_ae=calling, timeouts=timeouts(settings))
    click.echo(f"{remote} answers.")
