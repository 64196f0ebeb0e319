"""``objects``: where the bytes of images and results live."""

from collections import Counter
from contextlib import closing
from pathlib import Path

import click
from tqdm import tqdm

from dicom_node.cli.terminal.options import config_option, keep_libraries_quiet
from dicom_node.injected import clock
from dicom_node.node import logs
from dicom_node.node.settings.load import Settings
from dicom_node.node.wiring.storage import (
    make_database,
    make_file_store,
    make_s3_mark,
    make_s3_store,
)
from storage.objects.copying import (
    Fate,
    check_direction,
    copy,
    missing,
    set_aside_gone,
)
from storage.objects.mark import MarkFile, MarkPlace
from storage.objects.protocol import ObjectStore

_KINDS = click.Choice(["file", "s3"])
_OTHER = {"file": "s3", "s3": "file"}
_ROUNDS = 3
"""Each copies what came during the one before; the last before the node changes over
is made while it stands still."""


@click.group()
def objects() -> None:
    """Look after the object store."""


@objects.command("copy")
@click.option("--to", type=_KINDS, help="What to copy to.")
@click.option("--from", "from_", type=_KINDS, help="What to copy from.")
@config_option
def copy_objects(to: str | None, from_: str | None, config: Path | None) -> None:
    """Copy all objects between data_dir and the bucket, while the node runs.

    Digests are compared; exits 1 when an object is not what was stored. Copy, stop the
    node, copy once more, set objects.kind, and start.
    """
    target_kind = to or _OTHER.get(from_ or "", "")
    if not target_kind or from_ == target_kind:
        raise click.UsageError("say --to file or --to s3")
    settings = Settings.load(config)
    logs.configure("ERROR", "text")
    keep_libraries_quiet()
    with closing(make_database(settings)) as database:
        stores: dict[str, ObjectStore] = {
            "file": make_file_store(settings),
            "s3": make_s3_store(settings),
        }
        marks: dict[str, MarkPlace] = {
            "file": MarkFile(settings.node.data_dir),
            "s3": make_s3_mark(settings, database),
        }
        target, target_mark = stores.pop(target_kind), marks.pop(target_kind)
        ((_, source),) = stores.items()
        ((_, source_mark),) = marks.items()
        with target_mark.locked():
            check_direction(source_mark, target_mark, target)
        fates = _copy_all(source, target)
        aside = set_aside_gone(source, target, clock())
        with target_mark.locked():
            check_direction(source_mark, target_mark, target)
    click.echo(
        f"{fates[Fate.COPIED]} objects were copied from {source_mark.where} to"
        f" {target_mark.where}; {aside} that are gone by now were set aside there."
    )
    if fates[Fate.CORRUPT]:
        click.echo(f"{fates[Fate.CORRUPT]} are not what was stored and stay behind.")
        raise SystemExit(1)


def _copy_all(source: ObjectStore, target: ObjectStore) -> Counter[Fate]:
    """Copy until nothing new has come meanwhile, or the node just goes on receiving."""
    fates: Counter[Fate] = Counter()
    corrupt: set[str] = set()
    for _ in range(_ROUNDS):
        keys = [key for key in missing(source, target) if key not in corrupt]
        if not keys:
            break
        with tqdm(total=len(keys), unit=" objects", disable=None) as bar:
            for key, fate in copy(keys, source, target):
                fates[fate] += 1
                bar.update()
                if fate is Fate.CORRUPT:
                    corrupt.add(key)
                    bar.write(f"object {key} does not match its digest")
    return fates
