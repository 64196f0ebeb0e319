"""``python -m tests.fuzz``: attack the parts of a node that meet strangers' bytes.

Beside what ``make fuzz`` does, it replays an input that found something.
"""

import random
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import click

from tests.fuzz.campaign import TARGETS, Campaign

_PROGRESS_S = 10.0


@click.command()
@click.option("--minutes", default=10.0, help="How long.", show_default=True)
@click.option("--inputs", type=int, help="How many at most.")
@click.option("--seed", type=int, help="Which inputs; a new one each time by default.")
@click.option(
    "--only", multiple=True, type=click.Choice(sorted(TARGETS)), help="Which targets."
)
@click.option(
    "--keep-in",
    type=click.Path(path_type=Path),
    default=Path("fuzz-findings"),
    help="Where inputs go that found something.",
    show_default=True,
)
@click.option(
    "--replay",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Give one kept input to the target of its name again.",
)
def main(
    minutes: float,
    inputs: int | None,
    seed: int | None,
    only: tuple[str, ...],
    keep_in: Path,
    replay: Path | None,
) -> None:
    """Attack headers, pixels, the acceptor, the HTTP servers and the sender."""
    if replay is not None:
        sys.exit(_replayed(replay, keep_in))
    chosen = random.SystemRandom().randrange(1 << 32) if seed is None else seed
    click.echo(f"seed {chosen}: --seed {chosen} does the same again")
    campaigns = [Campaign(name, chosen, keep_in) for name in only or TARGETS]
    _run(campaigns, time.monotonic() + minutes * 60, inputs or sys.maxsize)
    _tell(campaigns)
    sys.exit(any(campaign.findings for campaign in campaigns))


def _run(campaigns: list[Campaign], until: float, inputs: int) -> None:
    """Give each target the same time, in turns."""
    with ExitStack() as ends:
        running = [ends.enter_context(campaign.open()) for campaign in campaigns]
        told = time.monotonic()
        while time.monotonic() < until:
            for one in running:
                # As much time for each, however slow its inputs are.
                slice_ends = min(until, time.monotonic() + 1.0)
                while time.monotonic() < slice_ends:
                    one.some(20)
                if sum(campaign.number for campaign in campaigns) >= inputs:
                    return
            if time.monotonic() - told > _PROGRESS_S:
                told = time.monotonic()
                _tell(campaigns, f"{(until - told) / 60:.1f} min left")


def _tell(campaigns: list[Campaign], more: str = "") -> None:
    counts = ", ".join(f"{one.name} {one.number:,}" for one in campaigns)
    total = sum(one.number for one in campaigns)
    findings = [finding for one in campaigns for finding in one.findings]
    click.echo(f"{total:,} inputs ({counts}), {len(findings)} findings. {more}")
    if not more:
        for path, text in findings:
            click.echo(f"{text}\n  python -m tests.fuzz --replay {path}")


def _replayed(path: Path, keep_in: Path) -> bool:
    name, seed, _ = path.stem.split("-")
    campaign = Campaign(name, int(seed), keep_in / "replayed")
    with campaign.open() as running:
        running.take(path.read_bytes())
    _tell([campaign])
    return bool(campaign.findings)


if __name__ == "__main__":
    main()
