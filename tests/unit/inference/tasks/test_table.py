"""Every task by its name."""

import pytest

from inference.errors import ManifestInvalid
from inference.tasks.table import TASKS, task_of
from tests.fakes.runner import scripted_manifest


def test_the_manifest_names_its_task():
    assert task_of(scripted_manifest()) is TASKS["opacity"]


def test_an_unknown_task_is_refused_with_those_there_are():
    with pytest.raises(ManifestInvalid, match=r"no task 'age' \(there are: opacity"):
        task_of(scripted_manifest(task="age"))
