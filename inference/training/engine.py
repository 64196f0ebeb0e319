"""The training loop: resumable, seeded, averaged, validated.

A step's batch and every random draw follow from the seed and the step's number
alone, so a resumed run goes on exactly as if it had never stopped.
"""

import copy
import json
import logging
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import cv2
import torch
from torch import Tensor, nn
from torch.optim import SGD, Adam, AdamW, Optimizer
from tqdm import tqdm

from inference.errors import TrainingError
from inference.training.architectures.architecture import Architecture
from inference.training.architectures.table import architecture_of
from inference.training.checkpoint import (
    Checkpoint,
    git_sha,
    learned_before,
    load,
    read_checkpoint,
)
from inference.training.curves import append_row, draw_curves
from inference.training.data.batches import Batches, to_device
from inference.training.data.dataset import ReadFrame, Sample, digest, read_samples
from inference.training.data.duplicates import apart
from inference.training.data.render import RenderCache
from inference.training.data.split import some, split
from inference.training.learned import FILE_NAME, Learned, write_learned
from inference.training.overlays import draw_overlays
from inference.training.recipe.recipe import Recipe
from inference.training.schedule import learning_rate, total_steps
from inference.training.validation import Scores, autocast, validate

__all__ = ["load", "train"]

logger = logging.getLogger(__name__)
_LOG_EVERY = 10
RUN_FILES = (
    "best.pt",
    "last.pt",
    "recipe.json",
    "run.json",
    FILE_NAME,
    "losses.csv",
    "validation.csv",
    "curves.png",
    "overlays.png",
    "heat-maps.png",
)
"""What a run leaves, beside its cache."""


@dataclass(slots=True)
class _Run:
    """What the loop carries from step to step."""

    recipe: Recipe
    output: Path
    device: torch.device
    architecture: Architecture[Any, Any]
    net: nn.Module
    averaged: nn.Module
    optimiser: Optimizer
    steps: int
    data_digest: str
    step: int = 0
    best: float = -1.0
    learned: Learned = field(default_factory=Learned)

    def checkpoint(self, scores: Scores | None = None) -> Checkpoint:
        """Freeze this moment."""
        return Checkpoint(
            model=self.net.state_dict(),
            ema=self.averaged.state_dict(),
            optimiser=self.optimiser.state_dict(),
            step=self.step,
            recipe=self.recipe,
            data_digest=self.data_digest,
            git_sha=git_sha(),
            scores={} if scores is None else scores.row(),
            best=self.best,
            learned=self.learned,
        )


def train(  # noqa: PLR0913  the command's options, one for one
    recipe: Recipe,
    *,
    read_frame: ReadFrame,
    output: Path,
    resume: bool = False,
    overwrite: bool = False,
    progress: bool = True,
    stop_after: int | None = None,
) -> Path:
    """Train a network.

    Parameters
    ----------
    recipe
        What to do.
    read_frame
        Reads one picture.
    output
        Folder of the run: ``recipe.json``, ``run.json`` (commit and data digest),
        ``learned.json``, ``losses.csv``, ``validation.csv``, ``last.pt``, ``best.pt``,
        ``curves.png``, ``overlays.png``.
    resume
        Go on from ``output/last.pt``.
    overwrite
        Start anew in the folder of an earlier run; what that left is removed.
    progress
        Show a progress bar.
    stop_after
        Stop once this many steps are done in all, leaving a checkpoint.

    Returns
    -------
        The best checkpoint by held-out scores.

    Raises
    ------
    TrainingError
        In one line, naming the place.
    """
    if recipe.schedule.threads:
        torch.set_num_threads(recipe.schedule.threads)
    cv2.setNumThreads(1)
    samples = read_samples(recipe.data)
    learned, held_out = split(samples, recipe.data.held_out, recipe.data.left_out)
    if lacks := architecture_of(recipe.network).lacking(learned):
        raise TrainingError(f"recipe: data: {lacks}: nothing to learn from")
    make_folder(output, resume=resume, overwrite=overwrite)
    kept = recipe.data.cache or output / "cache"
    cache = RenderCache(kept, read_frame, recipe.data.normalisation)
    learned = apart(learned, held_out, cache, recipe)
    steps = total_steps(recipe.schedule, len(learned))
    run = _start(recipe, output, steps, digest(samples))
    fold = recipe.data.validation_fold
    run.learned = Learned.of(learned, recipe.data.folds, fold)
    if resume:
        _go_on(run)
    else:
        run.learned = run.learned.joined(learned_before(recipe.network.weights))
    _write_about(run, learned, held_out)
    last = steps if stop_after is None else min(steps, stop_after)
    batches = Batches(learned, recipe, cache, run.architecture.collate)
    looked_at = some(held_out, recipe.schedule.validate_films)
    _loop(run, batches, looked_at, cache, (last, progress))
    return output / "best.pt"


def make_folder(output: Path, *, resume: bool, overwrite: bool) -> None:
    """Make the folder of a run; one that holds something is used only on demand.

    Raises
    ------
    TrainingError
        It is not empty, or both ways of using it are asked for.
    """
    if resume and overwrite:
        raise TrainingError("a run is resumed or overwritten, not both")
    if output.is_dir() and any(output.iterdir()) and not (resume or overwrite):
        raise TrainingError(
            f"{output} is not empty: --resume goes on with the run in it, --overwrite"
            " starts anew"
        )
    output.mkdir(parents=True, exist_ok=True)
    for name in RUN_FILES if overwrite else ():
        (output / name).unlink(missing_ok=True)


def _write_about(
    run: _Run, learned: Sequence[Sample], held_out: Sequence[Sample]
) -> None:
    """Say which recipe, which code and which films this run is of."""
    stored = run.recipe.model_dump_json(indent=2) + "\n"
    (run.output / "recipe.json").write_text(stored, encoding="utf-8")
    write_learned(run.output, run.learned)
    known = [run.learned.knows(one) for one in held_out]
    about = {
        "git_sha": git_sha(),
        "data_digest": run.data_digest,
        "films_learned": len(learned),
        "films_held_out": len(held_out),
        "held_out_digest": digest(held_out),
        "held_out_but_learned_from": sum(one is True for one in known),
        "held_out_but_unknown": sum(one is None for one in known),
    }
    text = json.dumps(about, indent=2) + "\n"
    (run.output / "run.json").write_text(text, encoding="utf-8")
    if any(known):
        logger.warning(
            "%d of %d held-out films, or films of their patients, were learned from"
            " before: their scores flatter",
            about["held_out_but_learned_from"],
            len(held_out),
            extra={"action": "train"},
        )


def _start(recipe: Recipe, output: Path, steps: int, data_digest: str) -> _Run:
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.manual_seed(recipe.schedule.seed)
    architecture = architecture_of(recipe.network)
    net: nn.Module = architecture.build(recipe.network).to(device)
    net.train()
    averaged = copy.deepcopy(net).eval()
    return _Run(
        recipe,
        output,
        device,
        architecture,
        net,
        averaged,
        _optimiser(architecture, net, recipe),
        steps,
        data_digest,
    )


def _optimiser(
    architecture: Architecture[Any, Any], net: nn.Module, recipe: Recipe
) -> Optimizer:
    """Let what was pretrained learn more slowly than the heads."""
    schedule = recipe.schedule
    groups = [
        dict(group)
        for group in architecture.parameter_groups(net, schedule.trunk_factor)
    ]
    rate, decay = schedule.learning_rate, schedule.weight_decay
    if schedule.optimiser == "sgd":
        return SGD(groups, rate, momentum=schedule.momentum, weight_decay=decay)
    kind = Adam if schedule.optimiser == "adam" else AdamW
    return kind(groups, rate, weight_decay=decay)


def _go_on(run: _Run) -> None:
    """Take up where ``last.pt`` stopped, perhaps at another input size or schedule.

    Raises
    ------
    TrainingError
        The checkpoint is of another network or of other data.
    """
    path = run.output / "last.pt"
    kept = read_checkpoint(path)
    resized = {"input_px": run.recipe.network.input_px}
    if kept.recipe.network.model_copy(update=resized) != run.recipe.network:
        raise TrainingError(f"{path}: recipe: network: not the one of this run")
    if kept.data_digest != run.data_digest:
        raise TrainingError(f"{path}: the data changed since this checkpoint")
    run.net.load_state_dict(kept.model)
    run.averaged.load_state_dict(kept.ema)
    run.optimiser.load_state_dict(kept.optimiser)
    run.step, run.best = kept.step, kept.best
    run.learned = run.learned.joined(kept.learned)


def _loop(
    run: _Run,
    batches: Batches,
    held_out: Sequence[Sample],
    cache: RenderCache,
    until: tuple[int, bool],
) -> None:
    last, progress = until
    written = time.monotonic()
    sums: dict[str, float] = {}
    bar = tqdm(total=last, initial=run.step, disable=not progress, unit="step")
    # One thread prepares the next batch while this one is learned from.
    with ThreadPoolExecutor(max_workers=1) as ahead, bar:
        coming = ahead.submit(batches.at, run.step)
        while run.step < last:
            images, targets = coming.result()
            coming = ahead.submit(batches.at, run.step + 1)
            _note(run, sums, _learn(run, images, targets))
            run.step += 1
            bar.update()
            due = run.step % run.recipe.schedule.validate_every == 0
            if due or run.step == run.steps:
                _look(run, held_out, cache)
            pause = time.monotonic() - written
            if due or pause > run.recipe.schedule.checkpoint_every_s:
                run.checkpoint().write(run.output / "last.pt")
                written = time.monotonic()
        coming.cancel()
    run.checkpoint().write(run.output / "last.pt")


def _learn(run: _Run, images: Tensor, targets: Any) -> dict[str, float]:
    """One optimiser step; returns the losses."""
    schedule = run.recipe.schedule
    # Regions and dropout are drawn by torch: tie them to the step as well.
    torch.manual_seed(schedule.seed * 1_000_003 + run.step)
    rate = learning_rate(schedule, run.step, run.steps)
    resting = run.step < schedule.frozen_steps and bool(run.recipe.network.weights)
    for group in run.optimiser.param_groups:
        group["lr"] = rate * group["factor"]
        for parameter in group["params"]:
            parameter.requires_grad_(not (resting and group["pretrained"]))
    images, targets = to_device((images, targets), run.device)
    with autocast(run.device, enabled=schedule.amp):
        losses = run.architecture.losses(run.net, images, targets)
    weights = run.recipe.losses.model_dump()
    weighted = {name: loss * weights[name] for name, loss in losses.items()}
    total = torch.stack(list(weighted.values())).sum()
    if not torch.isfinite(total):
        raise TrainingError(f"{run.output}: step {run.step}: the loss is not finite")
    run.optimiser.zero_grad(set_to_none=True)
    total.backward()  # type: ignore[no-untyped-call]
    torch.nn.utils.clip_grad_norm_(run.net.parameters(), schedule.clip_norm)
    run.optimiser.step()
    _average(run)
    named = {name: float(loss.detach()) for name, loss in losses.items()}
    return named | {"total": float(total.detach()), "learning_rate": rate}


def _average(run: _Run) -> None:
    """Exponential average; short at first so that the start is soon forgotten."""
    decay = min(run.recipe.schedule.ema_decay, (run.step + 1) / (run.step + 10))
    with torch.no_grad():
        kept: list[Tensor] = list(run.averaged.parameters())
        new: list[Tensor] = list(run.net.parameters())
        torch._foreach_lerp_(kept, new, 1 - decay)
        # what batch norms have counted is an average already
        for mine, theirs in zip(run.averaged.buffers(), run.net.buffers(), strict=True):
            mine.copy_(theirs)


def _note(run: _Run, sums: dict[str, float], losses: dict[str, float]) -> None:
    """Add to the running means, and write them down now and then."""
    for name, value in losses.items():
        sums[name] = sums.get(name, 0.0) + value
    if (run.step + 1) % _LOG_EVERY:
        return
    names = [*run.recipe.losses.model_dump(), "total", "learning_rate"]
    means = {name: sums.get(name, 0.0) / _LOG_EVERY for name in names}
    sums.clear()
    append_row(run.output / "losses.csv", {"step": run.step + 1} | means)


def _look(run: _Run, held_out: Sequence[Sample], cache: RenderCache) -> None:
    """Validate the averaged weights; keep them when they are the best so far."""
    scores = None
    if held_out:
        scores = validate(run.averaged, held_out, cache, run.recipe)
        append_row(run.output / "validation.csv", {"step": run.step} | scores.row())
    value = float(run.step) if scores is None else scores.overall
    if value >= run.best:
        run.best = value
        best = replace(run.checkpoint(scores), optimiser={}, model={})
        best.write(run.output / "best.pt")
    draw_curves(run.output)
    shown = [one for one in held_out if one.opacities][:12]
    draw_overlays(run.averaged, shown, cache, run.recipe, run.output / "overlays.png")
    logger.info(
        "Step %d: %s", run.step, "no held-out fold" if scores is None else scores
    )
