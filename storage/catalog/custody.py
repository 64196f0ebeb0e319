"""Which received objects this node holds, for those who ask."""

from collections.abc import Collection, Mapping

from sqlalchemy import bindparam, select

from storage.database import Transaction
from storage.schema import instance

_HELD = select(
    instance.c.sop_instance_uid, instance.c.sop_class_uid, instance.c.object_key
).where(
    instance.c.sop_instance_uid.in_(bindparam("uids", expanding=True)),
    instance.c.object_removed_at.is_(None),
    instance.c.sha256 != "",
)
_AT_ONCE = 500
"""SQLite takes a limited number of parameters."""


def held(tx: Transaction, uids: Collection[str]) -> Mapping[str, tuple[str, str]]:
    """Map the SOP Instance UIDs that are held to SOP Class UID and object key.

    Their digest is known, and their bytes were durable when they were recorded.
    """
    wanted = sorted(set(uids))
    found: dict[str, tuple[str, str]] = {}
    for place in range(0, len(wanted), _AT_ONCE):
        rows = tx.execute(_HELD, {"uids": wanted[place : place + _AT_ONCE]})
        found |= {row[0]: (row[1], row[2]) for row in rows}
    return found
