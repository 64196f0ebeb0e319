"""The end of one patient here: rows and objects, together."""

import logging

from dicom_node.errors import NodeError
from storage.catalog import erasure
from storage.catalog.erasure import PatientFound
from storage.database import Database
from storage.objects.protocol import ObjectStore

logger = logging.getLogger(__name__)


class EraseRefused(NodeError):
    """Something about the patient is still being done."""


def erase_patient(
    database: Database, store: ObjectStore, patient_id: str
) -> PatientFound:
    """Remove everything about a patient, and say what it was.

    Raises
    ------
    EraseRefused
        A job has not ended; nothing was removed.
    """
    with database.transaction() as tx:
        found = erasure.find(tx, patient_id)
        if found.open_jobs:
            jobs = ", ".join(found.open_jobs)
            raise EraseRefused(
                f"these jobs have not ended: {jobs}; wait, or cancel them first"
            )
        # The objects first: what dies in between leaves rows, by which the rest is
        # found again, and no object that the database would take in as a new one.
        for key in erasure.erase(tx, patient_id):
            store.delete(key)
    logger.info(
        "Erased a patient: %d images, %d results, %d jobs.",
        len(found.images),
        len(found.results),
        len(found.jobs) + len(found.pushed),
        extra={"action": "erase"},
    )
    return found
