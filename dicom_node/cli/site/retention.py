"""``retention``: what would go by now, and nothing goes."""

from collections.abc import Sequence
from pathlib import Path

import click

from dicom_node.cli.terminal.options import config_option
from dicom_node.cli.terminal.tables import json_option, print_json, print_table
from dicom_node.injected import clock
from dicom_node.node.settings.load import Settings
from dicom_node.node.wiring.storage import opened_database
from storage.catalog import retention as expired
from storage.objects.mark import MarkFile
from storage.records import Evidence, Instance

_MOST = 1_000_000


@click.command()
@config_option
@json_option
def retention(config: Path | None, *, as_json: bool) -> None:
    """Say what retention would remove by now; nothing is removed.

    What has not been delivered, or failed, never goes, and is not counted.
    """
    settings = Settings.load(config)
    mark = MarkFile(settings.node.data_dir).read()
    now = mark.believed_at if mark else clock()
    section = settings.retention
    with (
        opened_database(settings) as database,
        database.transaction(read_only=True) as tx,
    ):
        sources: Sequence[Instance] = ()
        results: Sequence[Evidence] = ()
        if section.sources:
            sources = expired.expired_sources(tx, now - section.sources, limit=_MOST)
        if section.results:
            results = expired.expired_evidence(tx, now - section.results, limit=_MOST)
    rows = [
        ("sources", section.sources_days, *_sum(sources)),
        ("results", section.results_days, *_sum(results)),
    ]
    if as_json:
        names = ("what", "days", "objects", "size_bytes")
        print_json({"items": [dict(zip(names, row, strict=True)) for row in rows]})
        return
    print_table(
        ("WHAT", "DAYS", "OBJECTS", "BYTES"),
        [tuple(str(one) for one in row) for row in rows],
    )


def _sum(found: Sequence[Instance] | Sequence[Evidence]) -> tuple[int, int]:
    return len(found), sum(one.size_bytes for one in found)
