"""What the node said of a film: ``result.json`` is a row as version 0.2.0 wrote it."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from dicom_node.evidence.past import ObjectReference, Prior
from inference.findings import Analysis
from tests.factories.analyses import a_frame, an_analysis

ROW = Path(__file__).with_name("result.json")
REPORT = ObjectReference("1.2.840.10008.5.1.4.1.1.88.34", "1.2.3.4", "1.2.3.5", "1.2")
IMAGE = ObjectReference("1.2.840.10008.5.1.4.1.1.1", "1.2.4.4", "1.2.4.5", "1.2.4")
PRIOR = Prior(
    acquired_at=datetime(2026, 1, 2, 3, 4, 5, 600_000, tzinfo=UTC),
    total=12.34,
    right=3.21,
    left=20.0,
    report=REPORT,
    image=IMAGE,
    model="scripted 1 (SHA-256 000000000000)",
)
"""The film before the one of the row."""


def a_row() -> dict[str, Any]:
    """The row, to be changed at will."""
    row: dict[str, Any] = json.loads(ROW.read_text())
    return row


def the_analysis() -> Analysis:
    """The analysis that the row describes."""
    return an_analysis(a_frame(spacing_mm=(1.4, 1.6), remarks=("The film is small.",)))
