"""What was said before: of the same image, and of the patient's earlier films.

Films are ordered by when they were taken; one that does not say so by its arrival.
"""

from datetime import timedelta

from sqlalchemy import exists, func, or_, select

from storage.database import Transaction
from storage.records import GIVEN_UP, Instance, Job, Stage, Workitem
from storage.schema import instance, workitem
from storage.worklist.jobs import read_jobs

REPEAT = timedelta(hours=1)
"""A film of the same study this close before is a repeated exposure, no prior."""

_acquired_at = func.coalesce(instance.c.acquired_at, instance.c.received_at)
_HAS_RESULTS = (
    workitem.c.analyzed_at.is_not(None),
    workitem.c.recalled_at.is_(None),
    or_(
        workitem.c.stage.in_((Stage.DELIVERING, Stage.DONE)),
        workitem.c.reason_code == GIVEN_UP,
    ),
)


def earlier_jobs(tx: Transaction, before: Workitem) -> tuple[Job, ...]:
    """Find the jobs of the same image before this one, newest first."""
    return read_jobs(
        tx,
        workitem.c.sop_instance_uid == before.sop_instance_uid,
        workitem.c.workitem_uid != before.workitem_uid,
        workitem.c.scheduled_at <= before.scheduled_at,
    )


def prior_jobs(tx: Transaction, film: Instance) -> tuple[Job, ...]:
    """Find what was said of the patient's film before this one, newest first.

    Nothing that was called back, and nothing for an empty Patient ID. An ID of
    another issuer, or of none where this one has one, may be another patient's.
    """
    if not film.patient_id:
        return ()
    at = film.acquired_at or film.received_at
    earlier = (
        select(instance.c.sop_instance_uid)
        .where(
            instance.c.patient_id == film.patient_id,
            instance.c.issuer_of_patient_id == film.issuer_of_patient_id,
            instance.c.sop_instance_uid != film.sop_instance_uid,
            _acquired_at < at,
            or_(
                instance.c.study_instance_uid != film.study_instance_uid,
                at - REPEAT >= _acquired_at,
            ),
            exists().where(
                workitem.c.sop_instance_uid == instance.c.sop_instance_uid,
                *_HAS_RESULTS,
            ),
        )
        .order_by(_acquired_at.desc(), instance.c.sop_instance_uid.desc())
        .limit(1)
    )
    found = tx.execute(earlier).scalar_one_or_none()
    if found is None:
        return ()
    return read_jobs(tx, workitem.c.sop_instance_uid == found, *_HAS_RESULTS)


def other_films(tx: Transaction, film: Instance) -> int:
    """Count the films of the same study beside this one that passed for frontal ones.

    As far as they have come: one whose analysis ended without a result was none.
    """
    refused = exists().where(
        workitem.c.sop_instance_uid == instance.c.sop_instance_uid,
        workitem.c.reason_code.is_not(None),
        workitem.c.reason_code != GIVEN_UP,
    )
    found = tx.execute(
        select(func.count())
        .select_from(instance)
        .where(
            instance.c.study_instance_uid == film.study_instance_uid,
            instance.c.sop_instance_uid != film.sop_instance_uid,
            instance.c.not_eligible_code.is_(None),
            ~refused,
        )
    )
    return int(found.scalar_one())
