"""``python -m tests.siege``: kill a node many times, and see that nothing is lost."""

import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import click

from storage.database import Database
from tests.peers.pacs import PACS
from tests.peers.postgres import new_database, own_server
from tests.siege.power import Disk
from tests.siege.siege import ONE, SEPARATE, Siege

_PROGRESS_S = 20.0


@click.command()
@click.option("--kills", default=10, show_default=True, help="How many, or power cuts.")
@click.option("--seed", default=1, show_default=True, help="Of the moments.")
@click.option("--roles", is_flag=True, help="Separate processes: receive, work, web.")
@click.option("--postgresql", is_flag=True, help="Instead of SQLite.")
@click.option("--power", is_flag=True, help="Cut the power: drop what was not synced.")
@click.option("--minutes", default=600.0, help="How long at most.")
def main(
    *, kills: int, seed: int, roles: bool, postgresql: bool, power: bool, minutes: float
) -> None:
    """Lay siege to a node, and tell what became of its films."""
    if power and postgresql:
        raise click.UsageError("PostgreSQL answers for its own disk")
    with (
        tempfile.TemporaryDirectory(prefix="cxr-siege-") as name,
        _url(wanted=postgresql) as url,
    ):
        folder = Path(name)
        disk = Disk(folder)
        if power:
            disk.preload(folder)
        pacs = PACS()
        with pacs.listening():
            siege = Siege(
                disk.root / "data", folder, SEPARATE if roles else ONE, seed, pacs, url
            )
            with siege.laid():
                _strike(siege, kills, disk if power else None, minutes)
                wrong = siege.raise_it()
        _tell(siege)
        held, times = len(siege.digests()), len(pacs.stores)
        click.echo(f"results at the PACS: {held}, sent {times} times")
        click.echo("\n".join(wrong) or "nothing lost, nothing twice with other bytes")
    sys.exit(bool(wrong) or not siege.tally.acknowledged)


def _strike(siege: Siege, count: int, disk: Disk | None, minutes: float) -> None:
    told = began = time.monotonic()
    for _ in range(count):
        if disk is None:
            siege.strike()
        else:
            siege.cut(disk.cut)
        if time.monotonic() - began > minutes * 60:
            return
        if time.monotonic() - told > _PROGRESS_S:
            told = time.monotonic()
            _tell(siege)


def _tell(siege: Siege) -> None:
    tally = siege.tally
    click.echo(
        f"{tally.kills} kills, {tally.cuts} power cuts; films: {len(tally.sent)} sent,"
        f" {len(tally.acknowledged)} acknowledged",
    )


@contextmanager
def _url(*, wanted: bool) -> Iterator[str | None]:
    if not wanted:
        yield None
        return
    with own_server() as server, new_database(server.url, "siege") as url:
        with closing(Database(url)) as fresh:
            fresh.migrate()
        yield url


if __name__ == "__main__":
    main()
