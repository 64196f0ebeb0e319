"""Can this process do its work? What orchestrators are told, check by check."""

from collections.abc import Sequence

from dicom_node.node.parts import Parts
from dicom_node.node.service import Doubts, Service
from storage.database import Database
from storage.errors import StorageError
from storage.objects.protocol import ObjectStore
from storage.worklist import jobs

ALWAYS_TOLD = ("worker", "dimse")
"""Services that are named when they are well, too; another only in its trouble."""


def conditions(parts: Parts, services: Sequence[Service]) -> dict[str, str | None]:
    """Look at everything: name -> what is wrong, in a sentence, or ``None``."""
    found = {
        "database": database_trouble(parts.database),
        "disk": disk_trouble(parts.store),
    }
    for service in tuple(services):
        trouble = service.trouble()
        if trouble or service.name in ALWAYS_TOLD:
            found[service.name] = trouble
    return found


def doubts(services: Sequence[Service]) -> dict[str, str]:
    """Tell what somebody should look at although work goes on: name -> a sentence."""
    said = {
        service.name: service.doubt()
        for service in tuple(services)
        if isinstance(service, Doubts)
    }
    return {name: doubt for name, doubt in said.items() if doubt}


def database_trouble(database: Database) -> str | None:
    """Say what is wrong with the database."""
    try:
        with database.transaction(read_only=True) as tx:
            jobs.counts(tx)
    except StorageError as error:
        return str(error)
    return None


def disk_trouble(store: ObjectStore) -> str | None:
    """Say whether images are refused for want of room."""
    free = store.free_bytes()
    return None if free > 0 else "free space is below node.minimum_free_bytes"
