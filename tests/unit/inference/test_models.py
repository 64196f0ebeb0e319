"""Model folders: found by name, held to their digests and to their task."""

import pytest

from inference import models
from inference.errors import DigestMismatch, ManifestInvalid, ModelNotFound
from inference.manifest import read_manifest, write_manifest
from inference.models import (
    BUILTIN_MODELS,
    find_model,
    model_folders,
    sha256_of,
    verify,
)
from tests.fakes.runner import scripted_manifest


def test_the_name_means_the_module_and_not_the_folder_of_models_beside_it():
    assert models.__file__ == f"{BUILTIN_MODELS}.py"
    assert BUILTIN_MODELS.is_dir()


def test_the_shipped_model_is_the_one_that_its_manifest_means():
    folder = find_model("default")
    manifest = read_manifest(folder)
    assert manifest.task == "opacity"
    verify(folder, manifest)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"task": "fractures"}, "no task 'fractures'"),
        ({"labels": ("cardiomegaly",)}, "labels are not"),
        ({"outputs": ("scores",)}, "outputs are not"),
    ],
)
def test_a_model_that_no_task_reads_is_refused(tmp_path, change, sentence):
    path = tmp_path / "model.onnx"
    path.write_bytes(b"weights")
    with pytest.raises(ManifestInvalid, match=sentence):
        verify(tmp_path, scripted_manifest(sha256=sha256_of(path), **change))


def test_the_right_file_passes_and_a_changed_one_does_not(tmp_path):
    path = tmp_path / "model.onnx"
    path.write_bytes(b"weights")
    manifest = scripted_manifest(sha256=sha256_of(path))
    verify(tmp_path, manifest)

    path.write_bytes(b"other weights")
    with pytest.raises(DigestMismatch):
        verify(tmp_path, manifest)

    path.unlink()
    with pytest.raises(ModelNotFound):
        verify(tmp_path, manifest)


def test_models_are_found_by_name_and_earlier_roots_win(tmp_path):
    for root, name in (("site", "a"), ("built-in", "a"), ("built-in", "b")):
        folder = tmp_path / root / name
        folder.mkdir(parents=True)
        write_manifest(folder, scripted_manifest(name=name))
    search = (tmp_path / "site", tmp_path / "built-in")

    assert find_model("a", search) == tmp_path / "site" / "a"
    assert find_model("b", search) == tmp_path / "built-in" / "b"
    assert [path.name for path in model_folders(search)] == ["a", "b"]
    assert model_folders(search)[0] == tmp_path / "site" / "a"


@pytest.mark.parametrize("name", ["c", "../a", "", "a/b", "/etc"])
def test_an_unknown_model_is_refused_with_those_at_hand(tmp_path, name):
    folder = tmp_path / "a"
    folder.mkdir()
    write_manifest(folder, scripted_manifest(name="a"))
    with pytest.raises(ModelNotFound, match="at hand: a"):
        find_model(name, (tmp_path,))
