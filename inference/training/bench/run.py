"""Train one recipe within a budget, and measure it."""

import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.optim import SGD

from inference.errors import InferenceError
from inference.runners.onnx import OnnxModelRunner
from inference.training.architectures.classifier.recipe import ClassifierNetwork
from inference.training.architectures.table import architecture_of
from inference.training.bench.answers import ask_films
from inference.training.bench.row import BenchRow, figures_of, known, threshold_of
from inference.training.checkpoint import load
from inference.training.columns.features import NAMES, tabulate
from inference.training.columns.learn import learn_columns, measure_columns
from inference.training.data.batches import Batches, to_device
from inference.training.data.dataset import ReadFrame, read_samples
from inference.training.data.render import RenderCache
from inference.training.data.samples import Sample
from inference.training.data.split import some, split
from inference.training.engine import train
from inference.training.export.export import Order, build_folder
from inference.training.heat_maps import draw_heat_maps
from inference.training.recipe.recipe import Recipe
from inference.training.recipe.shape import shape_of

_WARM, _TIMED = 1, 3
_FIXED_ON, _SERVED = 120, 8
_SHARE_FROZEN, _SHARE_WARM = 4, 10


@dataclass(frozen=True, slots=True)
class Budget:
    """How long each recipe learns: minutes, or steps where a table is repeated."""

    minutes: float
    steps: int | None = None


def bench_recipe(
    recipe: Recipe, budget: Budget, output: Path, read_frame: ReadFrame
) -> BenchRow:
    """Train within the budget and measure on the held-out folds.

    Raises
    ------
    TrainingError
        In one line, naming the place.
    """
    samples = read_samples(recipe.data)
    learned, held_out = split(samples, recipe.data.held_out, recipe.data.left_out)
    weights = recipe.network.weights
    row = BenchRow(
        name=recipe.name,
        what=shape_of(recipe),
        lacks=recipe.about.lacks,
        started=weights.name if weights else "random",
    )
    if recipe.network.kind == "columns":
        return _columns(recipe, output, row, learned, held_out)
    cache = RenderCache(
        recipe.data.cache or output / "cache", read_frame, recipe.data.normalisation
    )
    steps = budget.steps or _steps_within(recipe, budget.minutes, learned, cache)
    shortened = within(recipe, steps)
    began = time.monotonic()
    best = train(shortened, read_frame=read_frame, output=output, overwrite=True)
    spent = time.monotonic() - began
    net, _ = load(best)
    fixed_on = some([one for one in learned if one.positive is not None], _FIXED_ON)
    threshold = threshold_of(ask_films(net, shortened, fixed_on, cache))
    answers = ask_films(net, shortened, held_out, cache)
    taught = architecture_of(recipe.network).answering(recipe.network).taught
    figures = figures_of(answers, threshold, boxed=bool({"boxes", "dense"} & taught))
    if isinstance(recipe.network, ClassifierNetwork):
        draw_heat_maps(best, read_frame, output)
    figures |= {
        "steps": steps,
        "training_minutes": spent / 60,
        "parameters": sum(one.numel() for one in net.parameters()),
        "ms_a_film": _served(net, shortened, output / "model", held_out, cache),
    }
    truth, scores = known(answers)
    return replace(
        row,
        figures=figures,
        truth=tuple(map(bool, truth)),
        scores=tuple(map(float, scores)),
        threshold=threshold,
    )


def within(recipe: Recipe, steps: int) -> Recipe:
    """Fit the schedule of a recipe into so many steps; it is looked at once, last."""
    old = recipe.schedule
    rate = old.stages[0].learning_rate if old.stages else old.learning_rate
    schedule = old.model_copy(
        update={
            "steps": steps,
            "stages": (),
            "learning_rate": rate,
            "small_steps": 0,
            "warmup_steps": min(old.warmup_steps, steps // _SHARE_WARM),
            "frozen_steps": min(old.frozen_steps, steps // _SHARE_FROZEN),
            "validate_every": steps,
            "validate_films": _FIXED_ON,
        }
    )
    return recipe.model_copy(update={"schedule": schedule})


def _steps_within(
    recipe: Recipe, minutes: float, learned: Sequence[Sample], cache: RenderCache
) -> int:
    """Time some steps, and tell how many fit."""
    if recipe.schedule.threads:
        torch.set_num_threads(recipe.schedule.threads)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    architecture = architecture_of(recipe.network)
    net = architecture.build(recipe.network).to(device).train()
    groups = architecture.parameter_groups(net, 1.0)
    optimiser = SGD([{"params": one["params"]} for one in groups], 0.0)
    batches = Batches(learned, recipe, cache, architecture.collate)
    began = 0.0
    for step in range(_WARM + _TIMED):
        batch = to_device(batches.at(step), device)
        if step == _WARM:
            began = time.monotonic()
        total = torch.stack(list(architecture.losses(net, *batch).values())).sum()
        total.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    return max(1, round(60 * minutes * _TIMED / (time.monotonic() - began)))


def _served(
    net: torch.nn.Module,
    recipe: Recipe,
    folder: Path,
    held_out: Sequence[Sample],
    cache: RenderCache,
) -> float:
    """Export, hold the graph against torch, and time it on the CPU, one by one."""
    films = some([one for one in held_out if one.frontal], _SERVED)
    size = recipe.network.input_px
    inputs = [
        (cache.get(one, size).image / 255).astype(np.float32)[None] for one in films
    ]
    folder.mkdir(parents=True, exist_ok=True)
    order = Order(name=recipe.name, version="bench")
    build_folder(net.cpu(), recipe.network, folder, order, inputs[:2], "0" * 64)
    with closing(OnnxModelRunner(folder, "cpu", torch.get_num_threads())) as runner:
        runner.load()
        runner.run(inputs[0][None])
        began = time.monotonic()
        for one in inputs:
            runner.run(one[None])
        return 1000 * (time.monotonic() - began) / len(inputs)


def _columns(
    recipe: Recipe,
    output: Path,
    row: BenchRow,
    learned: Sequence[Sample],
    held_out: Sequence[Sample],
) -> BenchRow:
    """Give the leak as its figures; the report beside it drops the box columns."""
    began = time.monotonic()
    learn_columns(recipe, output)
    spent = time.monotonic() - began
    tables = (tabulate(learned), tabulate(held_out))
    score = measure_columns(recipe, tables, "all columns", NAMES)
    figures: dict[str, Any] = {
        "films": score.auroc.n,
        "accuracy": score.accuracy,
        "f1": score.f1,
        "auroc": score.auroc.value,
        "auroc_low": score.auroc.low,
        "auroc_high": score.auroc.high,
        "training_minutes": spent / 60,
    }
    return replace(row, started="-", figures=figures)


def tried(
    recipe: Recipe, budget: Budget, output: Path, read_frame: ReadFrame
) -> BenchRow:
    """As ``bench_recipe``; what goes wrong is told in the row."""
    try:
        return bench_recipe(recipe, budget, output, read_frame)
    except InferenceError as error:
        return BenchRow(name=recipe.name, what=shape_of(recipe), error=str(error))
