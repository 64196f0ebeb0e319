"""Reads the headers of objects that no search can name yet.

What an earlier version received has rows without them; whatever arrives, or is made,
brings its description along.
"""

import logging

from dicom_node.dataset.forms.description import describe
from dicom_node.dataset.header import read_header
from dicom_node.dataset.part10 import read_file_meta
from dicom_node.errors import NodeError
from storage import holdings
from storage.database import Database
from storage.descriptions import Description
from storage.errors import ObjectMissing
from storage.objects.protocol import ObjectStore

logger = logging.getLogger(__name__)
_BATCH = 100


def describe_held(store: ObjectStore, database: Database) -> int:
    """Describe every object that nobody has described, and count them."""
    described, after = 0, ""
    while True:
        with database.transaction(read_only=True) as tx:
            found = holdings.bare(tx, after, limit=_BATCH)
        if not found:
            break
        after = found[-1][0]
        known = [(uid, _look(store, uid, key)) for uid, key in found]
        with database.transaction() as tx:
            for uid, description in known:
                if description is not None:
                    holdings.describe(tx, uid, description)
                    described += 1
    if described:
        logger.info(
            "Read the headers of %d objects for searches.",
            described,
            extra={"action": "describe"},
        )
    return described


def _look(store: ObjectStore, uid: str, key: str) -> Description | None:
    try:
        with store.open(key) as stream:
            syntax = read_file_meta(stream).transfer_syntax_uid
            return describe(read_header(stream, syntax), syntax)
    except (NodeError, ObjectMissing) as error:
        logger.warning(
            "An object cannot be described for searches: %s.",
            error,
            extra={"action": "describe", "instance": uid},
        )
        return None
