"""Foreign validators and readers of DICOM objects, run on files.

DicomSRValidator (PixelMed) ends with status 0 even when it validated nothing, and
Java's XPath limits make it do just that; so its limits are lifted and its closing words
are looked for.
"""

import json
import os
import shutil
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

JAVA_OPTIONS = (
    "-Djdk.xml.xpathTotalOpLimit=0 -Djdk.xml.xpathExprOpLimit=0 "
    "-Djdk.xml.xpathExprGrpLimit=0 -Xmx2g"
)
# The tool knows context group 100 as it was in 2019 and takes it for closed; but it is
# extensible, and the procedure is the one that the request or the source names.
_EXTENSIBLE = 'CODE (121058,DCM,"Procedure reported"): Code '
# Private coding schemes, ours and the site's; and that a source without a patient
# gives no entry in a DICOMDIR.
_EXPECTED = (
    "Unrecognized defined term <99",
    "would be needed to build DICOMDIR",
)


def _run(*command: str | Path) -> str:
    program = str(command[0])
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed")
    done = subprocess.run(
        [str(part) for part in command],
        capture_output=True,
        text=True,
        errors="replace",
        timeout=600,
        check=False,
        env={**os.environ, "JAVA_TOOL_OPTIONS": JAVA_OPTIONS},
    )
    return f"{done.stdout}\n{done.stderr}\nexit status {done.returncode}"


def dciodvfy(path: Path) -> list[str]:
    """Errors and warnings of dicom3tools; its name for the IOD shows that it ran."""
    output = _run("dciodvfy", path)
    lines = [line for line in output.splitlines() if line]
    assert any(" " not in line for line in lines), output
    return [
        line
        for line in lines
        if line.startswith(("Error", "Warning"))
        and not any(text in line for text in _EXPECTED)
    ]


def dicom_sr_validator(*paths: Path) -> list[str]:
    """Errors and warnings of PixelMed's template validator, of our own doing."""
    output = ""
    for path in paths:
        once = _run("DicomSRValidator", path)
        assert "Root Template Validation Complete" in once, once
        assert "IOD validation complete" in once, once
        output += once
    return [
        line
        for line in output.splitlines()
        if line.startswith(("Error", "Warning"))
        and not (_EXTENSIBLE in line and "not found in context group 100" in line)
    ]


def dcmpschk(path: Path) -> str:
    """What DCMTK's presentation state checker says."""
    return _run("dcmpschk", path)


def dsrdump(path: Path) -> str:
    """The content tree as DCMTK reads it."""
    return _run("dsrdump", "+U8", path)


def dsr2html(path: Path, out: Path) -> tuple[str, str]:
    """The report as DCMTK's page, and what it said while it made it."""
    said = _run("dsr2html", "+U8", path, out)
    return out.read_text(encoding="utf-8"), said


def rendered_with(state: Path | None, image: Path, out: Path) -> NDArray[np.uint8]:
    """The image as DCMTK shows it, under a presentation state or by itself."""
    if state is None:
        said = _run("dcm2pnm", "+Wi", "1", image, out)
    else:
        said = _run("dcmp2pgm", "-p", state, image, out)
    assert "exit status 0" in said, said
    return np.asarray(Image.open(out))


def measurements_read_by_dcmqi(path: Path, out: Path) -> dict[str, dict[str, float]]:
    """Numbers of each group as dcmqi, the reader in 3D Slicer, understands them."""
    program = Path(sys.executable).with_name("tid1500reader")
    said = _run(program, "--inputDICOM", path, "--outputMetadata", out)
    assert "exit status 0" in said, said
    return {
        group["TrackingIdentifier"]: {
            item["quantity"]["CodeMeaning"]: float(item["value"])
            for item in group["measurementItems"]
        }
        for group in json.loads(out.read_text())["Measurements"]
    }


def segments_read_by_dcmqi(path: Path, folder: Path) -> list[NDArray[np.bool_]]:
    """Each segment's mask as dcmqi, the reader in 3D Slicer, extracts it."""
    program = Path(sys.executable).with_name("segimage2itkimage")
    folder.mkdir()
    said = _run(
        program,
        *("--inputDICOM", path, "--outputDirectory", folder),
        *("--prefix", "s", "--outputType", "nrrd"),
    )
    assert "exit status 0" in said, said
    files = sorted(folder.glob("s-*.nrrd"), key=lambda file: int(file.stem[2:]))
    return [_nrrd(file.read_bytes()) for file in files]


def _nrrd(content: bytes) -> NDArray[np.bool_]:
    """One plane of a gzip-compressed NRRD file of 16-bit integers."""
    head, data = content.split(b"\n\n", 1)
    fields = dict(
        line.split(": ", 1) for line in head.decode().splitlines() if ": " in line
    )
    assert (fields["type"], fields["encoding"]) == ("short", "gzip")
    columns, rows, planes = map(int, fields["sizes"].split())
    assert planes == 1
    values = np.frombuffer(zlib.decompress(data, wbits=47), dtype="<i2")
    return values.reshape(rows, columns) != 0
