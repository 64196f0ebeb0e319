"""What only the ONNX runner does: digests, devices, signatures, memory errors."""

import numpy as np
import onnx
import pytest

from inference.errors import (
    DigestMismatch,
    ManifestInvalid,
    ModelFailed,
    ModelNotFound,
    OutOfMemory,
)
from inference.models import sha256_of
from inference.runners import onnx as onnx_runner
from inference.runners.onnx import OnnxModelRunner, translated
from tests.factories.tiny_model import SIZE_PX, write_tiny_model


def test_a_folder_without_a_manifest_is_refused(tmp_path):
    with pytest.raises(ModelNotFound, match=r"manifest\.toml"):
        OnnxModelRunner(tmp_path)


def test_a_folder_with_a_broken_manifest_is_refused(tmp_path):
    (tmp_path / "manifest.toml").write_text("name = ")
    with pytest.raises(ManifestInvalid):
        OnnxModelRunner(tmp_path)


def test_a_changed_model_file_is_refused(tmp_path):
    write_tiny_model(tmp_path)
    with (tmp_path / "model.onnx").open("ab") as stream:
        stream.write(b"\0")
    with pytest.raises(DigestMismatch, match="SHA-256"):
        OnnxModelRunner(tmp_path).load()


def test_a_missing_model_file_is_refused(tmp_path):
    write_tiny_model(tmp_path)
    (tmp_path / "model.onnx").unlink()
    with pytest.raises(ModelNotFound):
        OnnxModelRunner(tmp_path).load()


def test_a_file_that_is_no_graph_is_refused(tmp_path):
    path = tmp_path / "model.onnx"
    write_tiny_model(tmp_path)
    path.write_bytes(b"not a graph")
    write_manifest_of(tmp_path, path)
    with pytest.raises(ModelFailed, match="cannot be loaded"):
        OnnxModelRunner(tmp_path, "cpu").load()


def write_manifest_of(folder, path):
    digest = sha256_of(path)
    manifest = folder / "manifest.toml"
    lines = manifest.read_text().splitlines()
    kept = [line for line in lines if not line.startswith("sha256")]
    manifest.write_text("\n".join([f'sha256 = "{digest}"', *kept]))


def test_a_graph_of_another_size_than_the_manifest_says_is_refused(tmp_path):
    write_tiny_model(tmp_path, input_size_px=64)
    runner = OnnxModelRunner(tmp_path, "cpu")
    with pytest.raises(ModelFailed, match="the manifest says"):
        runner.load()
    assert runner.describe().devices == ()


def test_a_graph_with_another_number_of_instances_is_refused(tmp_path):
    write_tiny_model(tmp_path, max_instances=3)
    with pytest.raises(ModelFailed, match="boxes"):
        OnnxModelRunner(tmp_path, "cpu").load()


def test_a_graph_without_an_output_is_refused(tmp_path):
    write_tiny_model(tmp_path)
    path = tmp_path / "model.onnx"
    model = onnx.load(str(path))
    del model.graph.output[-1]
    onnx.save(model, str(path))
    write_manifest_of(tmp_path, path)
    with pytest.raises(ModelFailed, match="no 'image'"):
        OnnxModelRunner(tmp_path, "cpu").load()


def test_a_batch_that_breaks_the_network_does_not_break_the_next(tmp_path):
    write_tiny_model(tmp_path, fragile=True)
    runner = OnnxModelRunner(tmp_path, "cpu", threads=1)
    runner.load()
    dark = np.zeros((1, 1, SIZE_PX, SIZE_PX), np.float32)
    with pytest.raises(ModelFailed, match="the model failed"):
        runner.run(dark + 1)
    assert len(runner.run(dark)) == 1


def test_a_network_that_fails_when_warmed_up_is_not_loaded(tmp_path):
    write_tiny_model(tmp_path, fragile=True)
    path = tmp_path / "model.onnx"
    model = onnx.load(str(path))
    for node in model.graph.node:
        if node.output[0] == "hundredfold":
            node.op_type = "Add"
    onnx.save(model, str(path))
    write_manifest_of(tmp_path, path)
    runner = OnnxModelRunner(tmp_path, "cpu", threads=1)
    with pytest.raises(ModelFailed, match="the model failed"):
        runner.load()
    assert runner.describe().devices == ()


def test_the_cpu_is_taken_when_it_is_asked_for(tmp_path):
    write_tiny_model(tmp_path)
    runner = OnnxModelRunner(tmp_path, "cpu")
    assert runner.describe().devices == ()
    runner.load()
    assert runner.describe().devices == ("CPU",)


def test_auto_always_finds_a_device(tmp_path):
    write_tiny_model(tmp_path)
    runner = OnnxModelRunner(tmp_path, "auto", threads=1)
    runner.load()
    assert runner.describe().devices[-1] == "CPU"


@pytest.mark.usefixtures("without_cuda")
def test_cuda_is_never_silently_replaced(tmp_path):
    write_tiny_model(tmp_path)
    with pytest.raises(ModelFailed, match="cuda was asked for"):
        OnnxModelRunner(tmp_path, "cuda").load()


@pytest.fixture
def without_cuda() -> None:
    import onnxruntime  # noqa: PLC0415  one test

    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("this machine's ONNX Runtime has CUDA")


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("Failed to allocate memory for requested buffer of size 4096"),
        RuntimeError("CUDA failure 2: out of memory ; GPU=0"),
        RuntimeError("Non-zero status code ...: std::bad_alloc"),
    ],
    ids=["MemoryError", "arena", "cuda", "bad_alloc"],
)
def test_want_of_memory_is_told_apart(error):
    assert isinstance(translated(error, "the model failed"), OutOfMemory)


def test_any_other_failure_is_a_model_failure_in_one_line():
    found = translated(RuntimeError("first line\nsecond line"), "the model failed")
    assert type(found) is ModelFailed
    assert str(found) == "the model failed: first line"


def test_where_cuda_libraries_are_missing_the_log_says_so_and_not_standard_output(
    monkeypatch, capsys, caplog
):
    def say(directory):
        assert directory == ""
        print("Failed to load libcudart.so.13")  # noqa: T201  as ONNX Runtime does

    monkeypatch.setattr(onnx_runner.onnxruntime, "preload_dlls", say)
    onnx_runner._load_cuda_libraries()
    assert capsys.readouterr().out == ""
    assert caplog.messages == ["CUDA: Failed to load libcudart.so.13"]
