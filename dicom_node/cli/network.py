"""``send`` and ``echo``: a C-STORE and C-ECHO client."""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import click
from tqdm import tqdm

from dicom_node.cli.options import AnyPath, config_option
from dicom_node.dimse.scu import storage, verification
from dicom_node.dimse.scu.association import RemoteAE
from dicom_node.errors import DatasetInvalid
from dicom_node.node.settings.load import Settings
from dicom_node.node.wiring.dimse import remote_ae, timeouts

_TARGET = re.compile(r"(?P<ae>[^@]{1,16})@(?P<host>\[[^\]]+\]|[^:]+):(?P<port>\d{1,5})")
_PREAMBLE_BYTES = 128


def remote_of(settings: Settings, target: str) -> RemoteAE:
    """Understand ``NAME`` of a destination, or ``AE@HOST:PORT``."""
    for section in settings.destinations:
        if section.name == target:
            return remote_ae(settings, section)
    match = _TARGET.fullmatch(target)
    if match is None:
        names = ", ".join(one.name for one in settings.destinations) or "none"
        raise click.BadParameter(
            f"{target!r} is neither AE@HOST:PORT nor a destination ({names})"
        )
    return RemoteAE(match["ae"], match["host"].strip("[]"), int(match["port"]))


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
@click.option("--calling-ae", help="Default: node.ae_title.")
def send(
    paths: tuple[Path, ...], target: str, config: Path | None, calling_ae: str | None
) -> None:
    """Send DICOM files by C-STORE; exit 1 when any was not stored."""
    settings = Settings.load(config)
    remote = remote_of(settings, target)
    files: list[storage.Outgoing] = []
    stored = refused = 0
    for path in dicom_files(paths):
        try:
            files.append(storage.Outgoing.read(path))
        except DatasetInvalid as error:
            refused += 1
            click.echo(f"{path}: {error}", err=True)
    results = storage.send(
        files,
        remote,
        calling_ae=calling_ae or settings.node.ae_title,
        timeouts=timeouts(settings),
    )
    # No bar where nobody looks.
    progress = tqdm(results, total=len(files), unit="object", disable=None)
    for file, result in zip(files, progress, strict=False):
        if result.error is None:
            stored += 1
        else:
            refused += 1
            progress.write(f"{file.path}: {result.error}")
    click.echo(f"{stored} stored, {refused} not.")
    if refused:
        raise SystemExit(1)


@click.command()
@click.argument("target", metavar="NAME|AE@HOST:PORT")
@config_option
@click.option("--calling-ae", help="Default: node.ae_title.")
def echo(target: str, config: Path | None, calling_ae: str | None) -> None:
    """Ask a peer by C-ECHO whether it is there."""
    settings = Settings.load(config)
    remote = remote_of(settings, target)
    verification.echo(
        remote,
        calling_ae=calling_ae or settings.node.ae_title,
        timeouts=timeouts(settings),
    )
    click.echo(f"{remote} answers.")
