"""Foreign validators and readers of DICOM objects, run on files.

DicomSRValidator (PixelMed) ends with status 0 even when it validated nothing, and
Java's XPath limits make it do just that; so its limits are lifted and its closing words
are looked for.
"""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

JAVA_OPTIONS = (
    "-Djdk.xml.xpathTotalOpLimit=0 -Djdk.xml.xpathExprOpLimit=0 "
    "-Djdk.xml.xpathExprGrpLimit=0 -Xmx700m"
)
# Private coding schemes, ours and the site's; and what a source without a patient cannot give a DICOMDIR.
_EXPECTED = (
    "Unrecognized defined term <99",
    "would be needed to build DICOMDIR",
)


def _run(*command: str | Path) -> str:
    program = str(command[0])
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed")
    done = subprocess.run(  # noqa: S603  the validators' own names and our files
        [str(part) for part in command],
        capture_output=True,
        text=True,
        errors="replace",
        timeout=180,
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
    """Errors and warnings of PixelMed's template validator."""
    output = ""
    for path in paths:
        once = _run("DicomSRValidator", path)
        assert "Root Template Validation Complete" in once, once
        assert "IOD validation complete" in once, once
        output += once
    return [
        line for line in output.splitlines() if line.startswith(("Error", "Warning"))
    ]


def dcmpschk(path: Path) -> str:
    """What DCMTK's presentation state checker says."""
    return _run("dcmpschk", path)


def dsrdump(path: Path) -> str:
    """The content tree as DCMTK reads it."""
    return _run("dsrdump", "+U8", path)
