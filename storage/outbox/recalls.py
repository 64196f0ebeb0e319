"""What a recall means for the outbox: who has an object, and what is not sent any more.

A recall is of a model, by name and version. What was sent is rejected by a note to
everyone who has it; what was not is not sent any more.
"""

from datetime import datetime

from sqlalchemy import select

from storage.database import Transaction
from storage.records import Delivery, DeliveryState
from storage.schema import delivery, instance, is_by_model, workitem
from storage.signals import Topic

_HELD = (
    DeliveryState.SENT,
    DeliveryState.COMMITTED,
    DeliveryState.COMMITMENT_FAILED,
)
_UNSENT = (DeliveryState.PENDING, DeliveryState.FAILED)


def lock(tx: Transaction, name: str, version: str, study: str) -> None:
    """Let nobody begin to send a study's results of a model meanwhile."""
    concerned = (
        select(workitem.c.workitem_uid)
        .join_from(workitem, instance)
        .where(is_by_model(name, version), instance.c.study_instance_uid == study)
    )
    statement = (
        select(delivery.c.delivery_id)
        .where(delivery.c.workitem_uid.in_(concerned))
        .order_by(delivery.c.delivery_id)
        .with_for_update()
    )
    tx.execute(statement).all()


def may_be_held(one: Delivery) -> bool:
    """Tell whether the destination has the object, or may have it.

    A try without an answer may have arrived: the link broke, or is at work now.
    """
    tried = one.attempts > 0 and one.last_status is None
    return one.state in _HELD or (tried and one.state is not DeliveryState.SUPERSEDED)


def withdraw(tx: Transaction, workitem_uid: str) -> None:
    """Send nothing more of a Workitem, now or by an administrator's retry."""
    tx.execute(
        delivery.update()
        .where(delivery.c.workitem_uid == workitem_uid, delivery.c.state.in_(_UNSENT))
        .values(state=DeliveryState.CANCELED, lease_until=None)
    )


def send_again(tx: Transaction, note_uid: str, now: datetime) -> int:
    """Put the deliveries of a note that failed back in line, and count them."""
    again = tx.execute(
        delivery.update()
        .where(
            delivery.c.sop_instance_uid == note_uid,
            delivery.c.state == DeliveryState.FAILED,
        )
        .values(
            state=DeliveryState.PENDING, attempts=0, created_at=now, next_try_at=now
        )
    ).rowcount
    if again:
        tx.announce(Topic.DELIVERY)
    return again
