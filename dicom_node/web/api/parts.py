"""What the API works on."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from dicom_node.worklist.procedure_step import ProcedureSteps
from storage.database import Database

Warnings = Callable[[], Mapping[str, str]]
"""Looks: name -> what somebody should look at although work goes on."""
Conditions = Callable[[], Mapping[str, str | None]]
"""Looks: name -> what is wrong, in a sentence; ``None`` when nothing is."""


@dataclass(frozen=True, slots=True)
class ApiParts:
    """What the API works on.

    Parameters
    ----------
    database, steps
        What is listed, and what changes a job.
    conditions
        How this process does.
    clock
        Aware UTC.
    warnings
        What somebody should look at in this process.
    """

    database: Database
    steps: ProcedureSteps
    conditions: Conditions
    clock: Callable[[], datetime]
    warnings: Warnings = dict
