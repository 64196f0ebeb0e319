"""Learning rates: a cosine over steps, or constant stretches of epochs."""

import math

from inference.training.recipe.schedule import ScheduleRecipe


def steps_per_epoch(schedule: ScheduleRecipe, images: int) -> int:
    """Count the steps that show as many images as there are."""
    return max(1, math.ceil(images / schedule.batch))


def total_steps(schedule: ScheduleRecipe, images: int) -> int:
    """Length of a run."""
    if not schedule.stages:
        return schedule.steps
    epochs = sum(stage.epochs for stage in schedule.stages)
    return epochs * steps_per_epoch(schedule, images)


def learning_rate(schedule: ScheduleRecipe, step: int, steps: int) -> float:
    """Rate of the heads at a step of ``steps``."""
    warm = min(1.0, (step + 1) / (schedule.warmup_steps + 1))
    if schedule.stages:
        return warm * _staged(schedule, step, steps)
    share = min(1.0, step / max(1, steps))
    fall = (1 + math.cos(math.pi * share)) / 2
    floor = schedule.final
    return warm * schedule.learning_rate * (floor + (1 - floor) * fall)


def _staged(schedule: ScheduleRecipe, step: int, steps: int) -> float:
    epochs = sum(stage.epochs for stage in schedule.stages)
    epoch = step * epochs / steps
    for stage in schedule.stages:
        if epoch < stage.epochs:
            return stage.learning_rate
        epoch -= stage.epochs
    return schedule.stages[-1].learning_rate
