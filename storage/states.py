"""Where an image and its job stand: the one table that every view shares.

A state is derived, never stored: from the Instance and its Workitem. The command
line, the HTTP interface and the documentation show these words and no others; the
Procedure Step State beside them is DICOM's (PS3.4 CC.1.1).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, and_, case, exists, or_

from storage.records import (
    Cause,
    DeliveryState,
    InstanceState,
    ProcedureStepState,
    Stage,
)
from storage.schema import delivery, instance, workitem


@dataclass(frozen=True, slots=True)
class Standing:
    """One row of the table.

    Parameters
    ----------
    state
        The word that people see.
    step
        Procedure Step State of its Workitem; empty where there is none.
    meaning, remedy
        What it says, and what an administrator does about it.
    """

    state: InstanceState
    step: str
    meaning: str
    remedy: str


_PS = ProcedureStepState

STANDINGS: tuple[Standing, ...] = (
    Standing(
        InstanceState.QUEUED,
        f"{_PS.SCHEDULED}, or {_PS.IN_PROGRESS} between two attempts",
        "stored durably, waiting for the model",
        "nothing",
    ),
    Standing(
        InstanceState.ANALYZING,
        _PS.IN_PROGRESS,
        "a worker has it",
        "nothing",
    ),
    Standing(
        InstanceState.DELIVERING,
        _PS.IN_PROGRESS,
        "results are stored here and on their way",
        "`jobs show` says to whom, when next, and the last error",
    ),
    Standing(
        InstanceState.DELIVERED,
        _PS.COMPLETED,
        "every required destination has answered Success",
        "nothing",
    ),
    Standing(
        InstanceState.COMMITTED,
        _PS.COMPLETED,
        "delivered, and every destination that was asked has committed itself to keep"
        " the results",
        "nothing",
    ),
    Standing(
        InstanceState.COMMITMENT_FAILED,
        _PS.COMPLETED,
        "delivered, and a destination that was asked did not commit itself to keep a"
        " result, however often it was asked and sent again",
        "`jobs show` says which and why, then `jobs retry` sends and asks again",
    ),
    Standing(
        InstanceState.NOT_ELIGIBLE,
        f"{_PS.CANCELED}, or no job",
        "nothing that is analysed, by its header or its pixels; a coded reason is kept",
        "check the reason if it surprises you",
    ),
    Standing(
        InstanceState.FAILED,
        _PS.CANCELED,
        "not analysed, or a required delivery was given up (`DELIVERY_GIVEN_UP`);"
        " a coded reason is kept",
        "`jobs show`, then `jobs retry`; stored results are sent again without the"
        " model",
    ),
    Standing(
        InstanceState.CANCELED,
        _PS.CANCELED,
        "an administrator canceled or recalled it",
        "nothing; `jobs retry` if it was a mistake",
    ),
    Standing(
        InstanceState.QUARANTINED,
        "no job",
        "other bytes under a SOP Instance UID that came before; kept apart, the sender"
        " got 0111",
        "find out who gives a UID twice",
    ),
)

MEANINGS: Mapping[InstanceState, Standing] = {row.state: row for row in STANDINGS}

is_uncommitted: ColumnElement[bool] = and_(
    delivery.c.commitment,
    delivery.c.state.not_in(
        (DeliveryState.COMMITTED, DeliveryState.SUPERSEDED, DeliveryState.CANCELED)
    ),
)
"""That a destination which was to commit itself to keep a result has not (yet)."""
_commitment_failed = or_(
    delivery.c.state == DeliveryState.COMMITMENT_FAILED,
    # What was sent again because it was not committed, and refused then.
    and_(
        delivery.c.state == DeliveryState.FAILED,
        delivery.c.commitment_tries > 0,
    ),
)


def _has_delivery(condition: ColumnElement[bool]) -> ColumnElement[bool]:
    of_this = delivery.c.workitem_uid == workitem.c.workitem_uid
    return exists().where(of_this, condition).correlate(workitem)


visible_state: ColumnElement[Any] = case(
    (instance.c.not_eligible_code.is_not(None), InstanceState.NOT_ELIGIBLE),
    (
        and_(workitem.c.state == _PS.COMPLETED, _has_delivery(_commitment_failed)),
        InstanceState.COMMITMENT_FAILED,
    ),
    (
        and_(
            workitem.c.state == _PS.COMPLETED,
            _has_delivery(delivery.c.state == DeliveryState.COMMITTED),
            ~_has_delivery(is_uncommitted),
        ),
        InstanceState.COMMITTED,
    ),
    (workitem.c.state == _PS.COMPLETED, InstanceState.DELIVERED),
    (workitem.c.reason_cause == Cause.IMAGE, InstanceState.NOT_ELIGIBLE),
    (workitem.c.reason_cause == Cause.REQUEST, InstanceState.CANCELED),
    (workitem.c.state == _PS.CANCELED, InstanceState.FAILED),
    (workitem.c.stage == Stage.DELIVERING, InstanceState.DELIVERING),
    (workitem.c.stage == Stage.ANALYZING, InstanceState.ANALYZING),
    else_=InstanceState.QUEUED,
).label("visible_state")
"""The one visible state of an Instance joined with a Workitem of it."""
