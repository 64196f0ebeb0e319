"""A Workitem with all it looks at; nearly always that is one image, and free."""

from sqlalchemy import RowMapping, bindparam, select

from storage.database import Transaction
from storage.records import Workitem
from storage.rows import workitem_of
from storage.schema import workitem, workitem_input

_INSERT = workitem_input.insert()
_SELECT = (
    select(workitem_input.c.sop_instance_uid)
    .where(workitem_input.c.workitem_uid == bindparam("key"))
    .order_by(workitem_input.c.position)
)


def complete_workitem(tx: Transaction, row: RowMapping) -> Workitem:
    """Turn a row into a Workitem, and ask for its further inputs if it has any."""
    if row[workitem.c.input_count] == 1:
        return workitem_of(row)
    further = tx.execute(_SELECT, {"key": row[workitem.c.workitem_uid]}).scalars()
    return workitem_of(row, tuple(further))


def add_inputs(tx: Transaction, new: Workitem) -> None:
    """Remember the further inputs of a new Workitem."""
    rows = [
        {"workitem_uid": new.workitem_uid, "position": place, "sop_instance_uid": uid}
        for place, uid in enumerate(new.inputs[1:], start=1)
    ]
    if rows:
        tx.execute(_INSERT, rows)
