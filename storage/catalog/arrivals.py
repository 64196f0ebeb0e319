"""Every image that came, in one listing: analysed, not eligible, kept apart.

What is in quarantine shares its SOP Instance UID with another image; it is listed by
itself, and found by what is known of the image that came first.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, RowMapping, Select, func, literal, select

from storage.catalog.instances import status_of, statuses
from storage.database import Transaction
from storage.pages import cursor_at, read_page
from storage.records import (
    Cause,
    Instance,
    InstanceState,
    InstanceStatus,
    Page,
    Reason,
)
from storage.rows import quarantined_of
from storage.schema import instance, quarantine, workitem
from storage.states import visible_state

OTHER_BYTES = Reason(
    "DUPLICATE_UID",
    "An image with other bytes had this SOP Instance UID before; this one is kept"
    " apart.",
    Cause.IMAGE,
)
"""Why an image is in quarantine."""


def list_instances(  # noqa: PLR0913  each filter is a keyword
    tx: Transaction,
    *,
    limit: int = 100,
    cursor: str | None = None,
    state: InstanceState | None = None,
    reason: str | None = None,
    since: datetime | None = None,
    duplicates: bool | None = None,
    **identifiers: str | None,
) -> Page:
    """List received images, newest first.

    Parameters
    ----------
    limit, cursor
        How many, and where the page before ended.
    state, reason
        Only those in this visible state, or with this reason code.
    since
        Only those received then or later.
    duplicates
        Only those that came again, or only those that did not.
    **identifiers
        Any of ``sop_instance_uid``, ``series_instance_uid``,
        ``study_instance_uid``, ``patient_id``, ``accession_number``,
        ``calling_ae``: only those with this very value.

    Returns
    -------
    Page
        Of :class:`~storage.records.InstanceStatus`.

    Raises
    ------
    CursorInvalid
        The cursor was not given out by a listing.
    """
    known, apart = statuses(), _APART
    for name, value in identifiers.items():
        if value is not None:
            known = known.where(instance.c[name] == value)
            holder = quarantine if name == "calling_ae" else instance
            apart = apart.where(holder.c[name] == value)
    if state is not None:
        known = known.where(visible_state == state)
        apart = apart.where(literal(state == InstanceState.QUARANTINED))
    if reason is not None:
        known = known.where(_reason_code == reason)
        apart = apart.where(literal(reason == OTHER_BYTES.code))
    if duplicates is not None:
        known = known.where((instance.c.duplicates > 0) == literal(duplicates))
        apart = apart.where(literal(not duplicates))
    if since is not None:
        known = known.where(instance.c.received_at >= since)
        apart = apart.where(quarantine.c.received_at >= since)
    return _merged(tx, known, apart, limit, cursor)


def list_apart(tx: Transaction, sop_instance_uid: str) -> list[InstanceStatus]:
    """List what came under a UID with other bytes, newest first."""
    statement = (
        select(quarantine)
        .where(quarantine.c.sop_instance_uid == sop_instance_uid)
        .order_by(quarantine.c.received_at.desc())
    )
    return [_kept_apart(row) for row in tx.execute(statement).mappings()]


_reason_code: ColumnElement[Any] = func.coalesce(
    instance.c.not_eligible_code, workitem.c.reason_code
)
_APART = select(quarantine).join(
    instance, instance.c.sop_instance_uid == quarantine.c.sop_instance_uid
)


def _merged(
    tx: Transaction,
    known: Select[Any],
    apart: Select[Any],
    limit: int,
    cursor: str | None,
) -> Page:
    """Read a page of both, as if they were one table."""
    order = (instance.c.received_at, instance.c.sop_instance_uid)
    rows, more = read_page(tx, known, order, limit, cursor)
    order = (quarantine.c.received_at, quarantine.c.sop_instance_uid)
    others, more_apart = read_page(tx, apart, order, limit, cursor)
    found = [status_of(tx, row) for row in rows] + [_kept_apart(row) for row in others]
    found.sort(key=_place, reverse=True)
    page = found[:limit]
    if page and (len(found) > limit or more or more_apart):
        return Page(tuple(page), cursor_at(*_place(page[-1])))
    return Page(tuple(page))


def _place(status: InstanceStatus) -> tuple[datetime, str]:
    return status.instance.received_at, status.instance.sop_instance_uid


def _kept_apart(row: RowMapping) -> InstanceStatus:
    """Show what is known of an image in quarantine: nobody read its header again."""
    kept = quarantined_of(row)
    image = Instance(
        sop_instance_uid=kept.sop_instance_uid,
        sop_class_uid="",
        transfer_syntax_uid="",
        study_instance_uid="",
        series_instance_uid="",
        object_key=kept.object_key,
        size_bytes=kept.size_bytes,
        sha256=kept.sha256,
        received_at=kept.received_at,
        calling_ae=kept.calling_ae,
        not_eligible=OTHER_BYTES,
    )
    return InstanceStatus(image, InstanceState.QUARANTINED, None)
