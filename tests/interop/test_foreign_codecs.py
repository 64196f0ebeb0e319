"""DCMTK reads what we write and we read what DCMTK writes, value for value."""

import shutil
import subprocess

import numpy as np
import pytest
from pydicom import dcmread, uid

from dicom_node.dataset.pixels.pixel_data import PixelCells, read_patterns
from tests.factories.radiographs import synthetic_dataset, synthetic_radiograph
from tests.factories.syntaxes import COMPRESSED

pytestmark = pytest.mark.interop

SIZE = {"rows": 211, "columns": 190}
THEIR_ENCODERS = {
    "JPEG Lossless, first order": ["dcmcjpeg", "+e1"],
    "JPEG Lossless": ["dcmcjpeg", "+el"],
    "JPEG-LS Lossless": ["dcmcjpls", "+el"],
    "RLE": ["dcmcrle"],
}
THEIR_DECODERS = {
    uid.JPEGLossless: "dcmdjpeg",
    uid.JPEGLosslessSV1: "dcmdjpeg",
    uid.JPEGLSLossless: "dcmdjpls",
    uid.RLELossless: "dcmdrle",
}
LOSSY_ENCODERS = {
    "JPEG Baseline": (["dcmcjpeg", "+eb"], 8),
    "JPEG Extended": (["dcmcjpeg", "+ee"], 12),
    "JPEG-LS Near-Lossless": (["dcmcjpls", "+en"], 12),
}


def run(*command):
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} (DCMTK) is not on PATH")
    return subprocess.run(command, check=True, capture_output=True, text=True)


def stored(path):
    dataset = dcmread(path)
    return read_patterns(dataset, PixelCells.of(dataset, 1_000_000)).patterns


def drawn(bits):
    return synthetic_radiograph(0, **SIZE, bits_stored=bits)[0]


@pytest.mark.parametrize("name", sorted(THEIR_ENCODERS))
@pytest.mark.parametrize("bits", [8, 12, 16])
def test_we_read_what_dcmtk_compressed_without_loss(tmp_path, name, bits):
    plain, packed = str(tmp_path / "plain.dcm"), str(tmp_path / "packed.dcm")
    film = synthetic_dataset(bits_stored=bits, **SIZE)
    film.save_as(plain, enforce_file_format=True)
    run(*THEIR_ENCODERS[name], plain, packed)
    assert dcmread(packed).file_meta.TransferSyntaxUID in COMPRESSED
    assert np.array_equal(stored(packed), drawn(bits))


@pytest.mark.parametrize("name", sorted(LOSSY_ENCODERS))
def test_we_read_what_dcmtk_compressed_with_loss(tmp_path, name):
    command, bits = LOSSY_ENCODERS[name]
    plain, packed = str(tmp_path / "plain.dcm"), str(tmp_path / "packed.dcm")
    film = synthetic_dataset(bits_stored=bits, **SIZE)
    film.save_as(plain, enforce_file_format=True)
    run(*command, plain, packed)
    error = np.abs(stored(packed).astype(int) - drawn(bits))
    assert error.mean() < 0.02 * 2**bits


@pytest.mark.parametrize("syntax", sorted(THEIR_DECODERS))
@pytest.mark.parametrize("bits", [8, 12, 16])
def test_dcmtk_reads_what_we_compressed(tmp_path, syntax, bits):
    packed, plain = str(tmp_path / "packed.dcm"), str(tmp_path / "plain.dcm")
    film = synthetic_dataset(bits_stored=bits, transfer_syntax=syntax, **SIZE)
    film.save_as(packed, enforce_file_format=True)
    run(THEIR_DECODERS[syntax], packed, plain)
    assert np.array_equal(stored(plain), drawn(bits))


@pytest.mark.parametrize("kind", ["CR", "DX", "DX-PROCESSING", "SC"])
@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
@pytest.mark.parametrize("syntax", [uid.ExplicitVRLittleEndian, uid.JPEG2000])
def test_dciodvfy_finds_no_error_in_a_synthetic_film(
    tmp_path, kind, photometric, syntax
):
    if shutil.which("dciodvfy") is None:
        pytest.skip("dciodvfy (dicom3tools) is not on PATH")
    film = synthetic_dataset(
        kind, photometric=photometric, transfer_syntax=syntax, **SIZE
    )
    film.save_as(tmp_path / "film.dcm", enforce_file_format=True)
    command = ["dciodvfy", "-new", str(tmp_path / "film.dcm")]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    said = done.stdout + done.stderr
    assert "Image" in said
    assert not [line for line in said.splitlines() if line.startswith("Error")]
