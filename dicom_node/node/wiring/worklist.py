"""The worklist."""

from dicom_node.injected import clock, new_uid
from dicom_node.worklist.procedure_step import ProcedureSteps
from storage.database import Database


def make_steps(database: Database) -> ProcedureSteps:
    """Make the worklist of a database."""
    return ProcedureSteps(database, clock=clock, new_uid=new_uid)
