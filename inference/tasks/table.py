"""Every task, by the name that stands in manifests."""

from collections.abc import Mapping

from inference.errors import ManifestInvalid
from inference.manifest import ModelManifest
from inference.tasks.opacity.task import OpacityTask
from inference.tasks.task import Task

TASKS: Mapping[str, Task] = {
    "opacity": OpacityTask(),
}


def task_of(manifest: ModelManifest) -> Task:
    """Give the task of a model, checked against its manifest.

    Raises
    ------
    ManifestInvalid
        There is no such task, or the manifest does not fit it.
    """
    task = TASKS.get(manifest.task)
    if task is None:
        known = ", ".join(TASKS)
        raise ManifestInvalid(
            f"{manifest.name}: no task {manifest.task!r} (there are: {known})"
        )
    task.check(manifest)
    return task
