"""``model``: the models at hand, their digests and cards."""

import re
from pathlib import Path

import click

from dicom_node.cli.terminal.options import (
    SITE_CONFIG,
    FilePath,
    config_option,
    site_config,
)
from dicom_node.errors import SettingsInvalid
from dicom_node.node.golden import try_model
from dicom_node.node.settings.load import Settings
from dicom_node.node.wiring.model import model_roots
from inference.errors import InferenceError
from inference.manifest import read_manifest
from inference.models import find_model, model_folders, verify
from inference.runners.repository import Serving, write_repository

CARD = "MODEL_CARD.md"
_USUAL = Serving()


@click.group()
def model() -> None:
    """List, verify and choose models."""


@model.command("list")
@config_option
def list_models(config: Path | None) -> None:
    """List the models at hand; the one in use is starred."""
    settings = Settings.load(config)
    for folder in model_folders(model_roots(settings)):
        try:
            manifest = read_manifest(folder)
        except InferenceError as error:
            click.echo(f"! {folder.name}  cannot be used: {error}")
            continue
        star = "*" if folder.name == settings.model.name else " "
        click.echo(
            f"{star} {folder.name}  {manifest.name} {manifest.version}"
            f"  {manifest.input_size_px} px  {manifest.precision}"
            f"  SHA-256 {manifest.sha256[:12]}  {folder}"
        )


@model.command("verify")
@click.argument("names", nargs=-1, metavar="[NAME…]")
@config_option
def verify_models(names: tuple[str, ...], config: Path | None) -> None:
    """Compare models with the digests in their manifests; all without a NAME."""
    roots = model_roots(Settings.load(config))
    folders = [find_model(name, roots) for name in names] or model_folders(roots)
    failed = 0
    for folder in folders:
        try:
            verify(folder, read_manifest(folder))
        except InferenceError as error:
            failed += 1
            click.echo(f"{folder.name}: {error}")
        else:
            card = "" if (folder / CARD).is_file() else f", but has no {CARD}"
            click.echo(f"{folder.name}: as its manifest says{card}")
    if failed:
        raise SystemExit(1)


@model.command()
@click.argument("name")
@click.option(
    "--config",
    type=FilePath,
    required=True,
    envvar="CXR_NODE_CONFIG",
    default=site_config,
    help=f"The TOML file; else that of CXR_NODE_CONFIG, else {SITE_CONFIG}.",
)
def use(name: str, config: Path) -> None:
    """Write NAME into the configuration, once its digest and its answers hold.

    It is asked about drawn films first: one that refuses them is not put to use.
    """
    settings = Settings.load(config)
    folder = find_model(name, model_roots(settings))
    verify(folder, read_manifest(folder))
    try_model(folder)
    text = config.read_text(encoding="utf-8")
    config.write_text(with_model(text, name), encoding="utf-8")
    if Settings.load(config).model.name != name:
        config.write_text(text, encoding="utf-8")
        raise SettingsInvalid(f"model.name: {config} cannot be edited; set it by hand")
    click.echo(f"{config} names {name}; restart the node to use it.")


def with_model(text: str, name: str) -> str:
    """Set ``name`` in the ``[model]`` table of a TOML text, and nothing else."""
    head, found, rest = text.partition("[model]")
    if not found:
        return f'{text.rstrip()}\n\n[model]\nname = "{name}"\n'
    table, bracket, after = rest.partition("\n[")
    changed, count = re.subn(
        r'(?m)^name\s*=\s*(".*?"|\'.*?\')', f'name = "{name}"', table, count=1
    )
    if not count:
        changed = f'\nname = "{name}"{table}'
    return head + found + changed + bracket + after


@model.command("export-repository")
@click.argument("target", type=click.Path(path_type=Path, file_okay=False))
@click.argument("names", nargs=-1, metavar="[NAME…]")
@click.option(
    "--largest-batch",
    type=click.IntRange(1, 256),
    default=_USUAL.largest_batch,
    show_default=True,
    help="Images in one run of the engine.",
)
@click.option(
    "--batch-wait-ms",
    type=click.FloatRange(0, 10_000),
    default=_USUAL.batch_wait_ms,
    show_default=True,
    help="How long the engine waits for a fuller batch.",
)
@click.option(
    "--instances",
    type=click.IntRange(1, 64),
    default=_USUAL.instances,
    show_default=True,
    help="Copies of each model on each device.",
)
@click.option("--cpu", is_flag=True, help="Serve on the CPU even where GPUs are.")
@config_option
def export_repository(  # noqa: PLR0913  one for each option
    target: Path,
    names: tuple[str, ...],
    *,
    largest_batch: int,
    batch_wait_ms: float,
    instances: int,
    cpu: bool,
    config: Path | None,
) -> None:
    """Write models into TARGET as a repository for NVIDIA Triton; all without a NAME.

    Each is named after its digest, as [model] runner = "remote" asks for it.
    """
    roots = model_roots(Settings.load(config))
    folders = [find_model(name, roots) for name in names] or model_folders(roots)
    kind = "KIND_CPU" if cpu else "KIND_AUTO"
    serving = Serving(largest_batch, batch_wait_ms, instances, kind)
    for place in write_repository(folders, target, serving):
        click.echo(str(place))
