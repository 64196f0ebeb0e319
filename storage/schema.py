"""The tables.

SQLite and PostgreSQL get the same ones; ``migrations`` makes them. The names follow
DICOM PS3.3 and, for Workitems, PS3.4 Annex CC.
"""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    DateTime,
    Dialect,
    Double,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    and_,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.types import TypeDecorator


class UtcDateTime(TypeDecorator[datetime]):
    """An aware instant in UTC, on databases with and without time zones."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(
        self, value: datetime | None, dialect: Dialect
    ) -> datetime | None:
        """Refuse naive values; SQLite stores the UTC wall clock."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a datetime without time zone cannot be stored")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(
        self, value: datetime | None, dialect: Dialect
    ) -> datetime | None:
        """Give back aware UTC."""
        if value is None:
            return None
        if dialect.name == "sqlite":
            return value.replace(tzinfo=UTC)
        return value.astimezone(UTC)


class ForeignText(TypeDecorator[str]):
    """Text from somebody else's data set, made storable everywhere.

    PostgreSQL refuses NUL, and neither database takes lone surrogates.
    """

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """Drop what cannot be stored."""
        del dialect
        if value is None:
            return None
        return value.replace("\0", "").encode("utf-8", "replace").decode("utf-8")


metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _partial(
    name: str, where: str, *columns: ColumnElement[Any], unique: bool = False
) -> None:
    """Index only the rows that are looked for; most rows are history."""
    Index(
        name,
        *columns,
        unique=unique,
        sqlite_where=text(where),
        postgresql_where=text(where),
    )


_ROW_ID = BigInteger().with_variant(Integer, "sqlite")  # SQLite's own row id
_JSON = JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")

instance = Table(
    "instance",
    metadata,
    Column("sop_instance_uid", Text, primary_key=True),
    Column("sop_class_uid", Text, nullable=False),
    Column("transfer_syntax_uid", Text, nullable=False),
    Column("study_instance_uid", ForeignText, nullable=False),
    Column("series_instance_uid", ForeignText, nullable=False),
    Column("object_key", Text, nullable=False, index=True),
    Column("size_bytes", BigInteger, nullable=False),
    Column("sha256", Text, nullable=False),
    Column("received_at", UtcDateTime, nullable=False),
    Column("calling_ae", ForeignText, nullable=False),
    Column("patient_id", ForeignText, nullable=False, index=True),
    Column("accession_number", ForeignText, nullable=False, index=True),
    Column("modality", ForeignText, nullable=False),
    Column("not_eligible_code", Text),
    Column("not_eligible_text", ForeignText),
    Column("object_removed_at", UtcDateTime),
    Column(
        "issuer_of_patient_id", ForeignText, nullable=False, server_default=text("''")
    ),
    Column("acquired_at", UtcDateTime),
    Column("duplicates", Integer, nullable=False, server_default=text("0")),
    Column("duplicate_at", UtcDateTime),
    Column("called_ae", ForeignText, nullable=False, server_default=text("''")),
    Index(None, "received_at", "sop_instance_uid"),
    Index(None, "study_instance_uid", "series_instance_uid"),
    Index(None, "series_instance_uid"),
    Index(None, "calling_ae", "received_at"),
)

quarantine = Table(
    "quarantine",
    metadata,
    Column("quarantine_id", _ROW_ID, primary_key=True, autoincrement=True),
    Column("sop_instance_uid", Text, nullable=False, index=True),
    Column("object_key", Text, nullable=False, index=True),
    Column("size_bytes", BigInteger, nullable=False),
    Column("sha256", Text, nullable=False),
    Column("calling_ae", ForeignText, nullable=False),
    Column("received_at", UtcDateTime, nullable=False),
    UniqueConstraint("sop_instance_uid", "sha256"),
)

workitem = Table(
    "workitem",
    metadata,
    Column("workitem_uid", Text, primary_key=True),
    Column(
        "sop_instance_uid",
        Text,
        ForeignKey("instance.sop_instance_uid"),
        nullable=False,
        index=True,
    ),
    Column("state", Text, nullable=False),
    Column("stage", Text, nullable=False),
    Column("scheduled_at", UtcDateTime, nullable=False),
    Column("priority", Integer, nullable=False),
    Column("transaction_uid", Text),
    Column("worker", Text),
    Column("lease_until", UtcDateTime),
    Column("not_before", UtcDateTime),
    Column("attempts", Integer, nullable=False),
    Column("started_at", UtcDateTime),
    Column("analyzed_at", UtcDateTime),
    Column("ended_at", UtcDateTime),
    Column("reason_code", Text),
    Column("reason_text", ForeignText),
    Column("reason_cause", Text),
    Column("cancel_requested", Boolean, nullable=False),
    Column("result", _JSON),
    Column("replaced_by", Text),
    Column("recalled_at", UtcDateTime),
    Column("recall_reason", Text),
    Column("rejection_note_uid", Text),
    Column("input_count", Integer, nullable=False, server_default=text("1")),
    Column("model_name", Text),
    Column("model_version", Text),
    Column("model_sha256", Text),
    Column("maker", Text),
    Index(None, "scheduled_at", "workitem_uid"),
)

workitem_input = Table(
    "workitem_input",
    metadata,
    Column("workitem_uid", Text, ForeignKey("workitem.workitem_uid"), primary_key=True),
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("sop_instance_uid", Text, nullable=False, index=True),
)
"""What a Workitem looks at beside the image it is about; usually nothing.

Not all of it need have arrived.
"""

attempt = Table(
    "attempt",
    metadata,
    Column("workitem_uid", Text, ForeignKey("workitem.workitem_uid"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("worker", Text, nullable=False),
    Column("started_at", UtcDateTime, nullable=False),
    Column("ended_at", UtcDateTime),
    Column("outcome", Text),
    Column("error", ForeignText),
)

evidence = Table(
    "evidence",
    metadata,
    Column("workitem_uid", Text, ForeignKey("workitem.workitem_uid"), primary_key=True),
    Column("sop_instance_uid", Text, primary_key=True),
    Column("sop_class_uid", Text, nullable=False),
    Column("series_instance_uid", Text, nullable=False),
    Column("study_instance_uid", ForeignText, nullable=False),
    Column("kind", Text, nullable=False),
    Column("object_key", Text, nullable=False, index=True),
    Column("size_bytes", BigInteger, nullable=False),
    Column("sha256", Text, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("object_removed_at", UtcDateTime),
    Index(None, "sop_instance_uid"),
)

delivery = Table(
    "delivery",
    metadata,
    Column("delivery_id", _ROW_ID, primary_key=True, autoincrement=True),
    Column("workitem_uid", Text, nullable=False),
    Column("sop_instance_uid", Text, nullable=False),
    Column("destination", Text, nullable=False),
    Column("required", Boolean, nullable=False),
    Column("state", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("next_try_at", UtcDateTime),
    Column("sent_at", UtcDateTime),
    Column("last_status", Integer),
    Column("last_error", ForeignText),
    Column("lease_until", UtcDateTime),
    Column("superseded_by", Text),
    Column("commitment", Boolean, nullable=False, server_default=text("false")),
    Column("commitment_uid", Text),
    Column("commitment_due_at", UtcDateTime),
    Column("commitment_tries", Integer, nullable=False, server_default=text("0")),
    Column("committed_at", UtcDateTime),
    ForeignKeyConstraint(
        ["workitem_uid", "sop_instance_uid"],
        ["evidence.workitem_uid", "evidence.sop_instance_uid"],
    ),
    UniqueConstraint("workitem_uid", "sop_instance_uid", "destination"),
)
_partial("ix_instance_held", "object_removed_at IS NULL", instance.c.received_at)
_partial("ix_evidence_held", "object_removed_at IS NULL", evidence.c.created_at)
_partial(
    "ix_workitem_queue",
    "stage = 'queued'",
    workitem.c.priority.desc(),
    workitem.c.scheduled_at,
)
_partial("ix_workitem_waiting", "stage = 'queued'", workitem.c.scheduled_at)
_partial("ix_workitem_analyzing", "stage = 'analyzing'", workitem.c.lease_until)
_partial(
    "ix_workitem_model",
    "model_name IS NOT NULL",
    workitem.c.model_name,
    workitem.c.model_version,
)
_partial(
    "ix_workitem_ended_early",
    "state = 'CANCELED'",
    workitem.c.reason_cause,
    workitem.c.scheduled_at,
)
_partial("ix_workitem_delivering", "stage = 'delivering'", workitem.c.workitem_uid)
_partial(
    "uq_workitem_current",
    "replaced_by IS NULL",
    workitem.c.sop_instance_uid,
    unique=True,
)
_partial(
    "ix_delivery_outbox",
    "state = 'PENDING'",
    delivery.c.destination,
    delivery.c.next_try_at,
)

_partial(
    "ix_delivery_unasked",
    "commitment_due_at IS NOT NULL",
    delivery.c.destination,
    delivery.c.commitment_due_at,
)
_partial("ix_delivery_failed", "state = 'FAILED'", delivery.c.destination)
_partial("ix_delivery_asked", "commitment_uid IS NOT NULL", delivery.c.commitment_uid)

commitment = Table(
    "commitment",
    metadata,
    Column("transaction_uid", Text, primary_key=True),
    Column("destination", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("asked_at", UtcDateTime, nullable=False),
    Column("deadline", UtcDateTime, nullable=False),
    Column("ended_at", UtcDateTime),
    Column("error", ForeignText),
)
"""Storage Commitment that this node asked for; no Transaction UID is used again."""
_partial("ix_commitment_open", "state = 'ASKED'", commitment.c.deadline)

commitment_request = Table(
    "commitment_request",
    metadata,
    Column("request_id", _ROW_ID, primary_key=True, autoincrement=True),
    Column("transaction_uid", Text, nullable=False),
    Column("peer", ForeignText, nullable=False),
    Column("called_ae", ForeignText, nullable=False),
    Column("address", Text, nullable=False),
    Column("objects", _JSON, nullable=False),
    Column("state", Text, nullable=False),
    Column("received_at", UtcDateTime, nullable=False),
    Column("next_try_at", UtcDateTime, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("reported_at", UtcDateTime),
    Column("error", ForeignText),
    UniqueConstraint("peer", "transaction_uid"),
)
"""Storage Commitment that peers ask of this node, and whether they were answered."""
_partial(
    "ix_commitment_request_open",
    "state = 'PENDING'",
    commitment_request.c.next_try_at,
)

availability_notice = Table(
    "availability_notice",
    metadata,
    Column("workitem_uid", Text, ForeignKey("workitem.workitem_uid"), primary_key=True),
    Column("peer", Text, primary_key=True),
    Column("sop_instance_uid", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("next_try_at", UtcDateTime, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("sent_at", UtcDateTime),
    Column("error", ForeignText),
)
"""Peers that are told that the results of a Workitem can be retrieved."""
_partial(
    "ix_availability_notice_open",
    "state = 'PENDING'",
    availability_notice.c.next_try_at,
)

fetch_request = Table(
    "fetch_request",
    metadata,
    Column("fetch_id", _ROW_ID, primary_key=True, autoincrement=True),
    Column("peer", Text, nullable=False),
    Column("study_instance_uid", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("deliver", Boolean, nullable=False),
    Column("requested_at", UtcDateTime, nullable=False),
    Column("next_try_at", UtcDateTime, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("error", ForeignText),
    UniqueConstraint("study_instance_uid", "peer"),
    sqlite_autoincrement=True,
)
"""Studies that this node has others send to it; ``peer`` is an AE title."""
_partial(
    "ix_fetch_request_open",
    "state IN ('WAITING', 'MOVING')",
    fetch_request.c.next_try_at,
)

prior_search = Table(
    "prior_search",
    metadata,
    Column("workitem_uid", Text, primary_key=True),
    Column("sop_instance_uid", Text, nullable=False),
    Column("until", UtcDateTime, nullable=False),
    Column("outcome", Text),
)
"""Workitems that wait for the patient's earlier film, and what came of it."""
_partial("ix_prior_search_open", "outcome IS NULL", prior_search.c.until)

event_reader = Table(
    "event_reader",
    metadata,
    Column("name", Text, primary_key=True),
    Column("event_id", BigInteger, nullable=False),
)
"""The last event that each reader has seen."""

event = Table(
    "event",
    metadata,
    Column("event_id", _ROW_ID, primary_key=True, autoincrement=True),
    Column("at", UtcDateTime, nullable=False),
    Column("kind", Text, nullable=False),
    Column("workitem_uid", Text),
    Column("sop_instance_uid", Text),
    Column("destination", Text),
    Column("details", _JSON),
    # A reader remembers the last number it saw: none is given twice, even when
    # every row was removed meanwhile.
    sqlite_autoincrement=True,
)

pushed_workitem = Table(
    "pushed_workitem",
    metadata,
    Column("workitem_uid", Text, primary_key=True),
    Column("state", Text, nullable=False),
    Column("content", _JSON, nullable=False),
    Column("patient_id", ForeignText, nullable=False, index=True),
    Column("requested_by", ForeignText, nullable=False),
    Column("is_ours", Boolean, nullable=False),
    Column("performer", ForeignText),
    Column("transaction_uid", Text),
    Column("cancel_requested", Boolean, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("modified_at", UtcDateTime, nullable=False),
    Column("ended_at", UtcDateTime),
    Index(None, "created_at", "workitem_uid"),
)
"""Workitems of others: the data set as it was pushed, and as it was changed since."""

pushed_input = Table(
    "pushed_input",
    metadata,
    Column(
        "workitem_uid",
        Text,
        ForeignKey("pushed_workitem.workitem_uid", ondelete="CASCADE"),
        primary_key=True,
    ),
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("sop_instance_uid", Text, nullable=False),
    Column("study_instance_uid", Text, nullable=False),
    Column("series_instance_uid", Text, nullable=False),
    Column("retrieve_url", Text),
    Column("retrieve_ae", Text),
    Column("is_fetched", Boolean, nullable=False),
    Column("job_uid", Text),
    Column("attempts", Integer, nullable=False),
    Column("error", ForeignText),
)
"""The images that a pushed Workitem names, and which jobs they became."""

subscription = Table(
    "subscription",
    metadata,
    Column("ae_title", Text, primary_key=True),
    Column("scope", Text, primary_key=True),
    Column("is_subscribed", Boolean, nullable=False),
    Column("deletion_lock", Boolean, nullable=False),
    Column("channel", Text, nullable=False),
    Column("matching_keys", _JSON),
    Column("is_by_filter", Boolean, nullable=False),
    Column("suspended_at", UtcDateTime),
    Index(None, "scope"),
)
"""Who hears of what: a Workitem, or one of the two UIDs of the whole worklist."""

event_report = Table(
    "event_report",
    metadata,
    Column("report_id", _ROW_ID, primary_key=True, autoincrement=True),
    Column("ae_title", Text, nullable=False),
    Column("channel", Text, nullable=False),
    Column("workitem_uid", Text, nullable=False),
    Column("event_type", Integer, nullable=False),
    Column("information", _JSON, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("next_try_at", UtcDateTime, nullable=False),
    Index(None, "channel", "ae_title", "report_id"),
    sqlite_autoincrement=True,
)
"""Event reports on their way to subscribers; one that was taken is removed."""

_partial("ix_pushed_workitem_open", "ended_at IS NULL", pushed_workitem.c.created_at)

store_binding = Table(
    "store_binding",
    metadata,
    Column("binding_id", Integer, primary_key=True, autoincrement=False),
    Column("identity", Text, nullable=False),
    Column("generation", BigInteger, nullable=False),
)
"""One row: the store that this database belongs to, and the last mark it remembers."""

user_account = Table(
    "user_account",
    metadata,
    Column("name", Text, primary_key=True),
    Column("password_hash", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("password_set_at", UtcDateTime, nullable=False),
)

api_key = Table(
    "api_key",
    metadata,
    Column("name", Text, primary_key=True),
    Column("digest", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime),
    Column("used_at", UtcDateTime),
    UniqueConstraint("digest"),
)

web_session = Table(
    "web_session",
    metadata,
    Column("digest", Text, primary_key=True),
    Column("name", Text, nullable=False, index=True),
    Column("role", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("seen_at", UtcDateTime, nullable=False),
    Column("ends_at", UtcDateTime, nullable=False),
)
"""Browsers that are signed in; ``digest`` is of the cookie's value."""

tally = Table(
    "tally",
    metadata,
    Column("name", Text, primary_key=True),
    Column("labels", ForeignText, primary_key=True),
    Column("value", Double, nullable=False),
)
"""Counts of what happened; labels as a JSON array."""

distribution = Table(
    "distribution",
    metadata,
    Column("day", Text, primary_key=True),
    Column("model", Text, primary_key=True),
    Column("device", ForeignText, primary_key=True),
    Column("measure", Text, primary_key=True),
    Column("step", Text, primary_key=True),
    Column("count", BigInteger, nullable=False),
)
"""How often a model said what, by day and device."""

drift_reference = Table(
    "drift_reference",
    metadata,
    Column("model", Text, primary_key=True),
    Column("measure", Text, primary_key=True),
    Column("step", Text, primary_key=True),
    Column("count", BigInteger, nullable=False),
)
"""What later films of a model are compared with."""

audit_record = Table(
    "audit_record",
    metadata,
    Column("record_id", BigInteger, primary_key=True, autoincrement=False),
    Column("at", UtcDateTime, nullable=False),
    Column("event", Text, nullable=False),
    Column("message", ForeignText, nullable=False),
    Column("previous", Text, nullable=False),
    Column("sha256", Text, nullable=False),
)
"""Who did what (PS3.15 A.5), only ever added to; each row seals the one before."""

notification = Table(
    "notification",
    metadata,
    Column("notification_id", _ROW_ID, primary_key=True, autoincrement=True),
    Column("receiver", Text, nullable=False),
    Column("rule", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("workitem_uid", Text),
    Column("content", _JSON, nullable=False),
    Column("state", Text, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("next_try_at", UtcDateTime, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("sent_at", UtcDateTime),
    Column("error", ForeignText),
    UniqueConstraint("receiver", "rule", "subject"),
)
"""What somebody is told, once for each subject of a rule."""
_partial(
    "ix_notification_open",
    "state = 'PENDING'",
    notification.c.receiver,
    notification.c.next_try_at,
)

signal = Table(
    "signal",
    metadata,
    Column("topic", Text, primary_key=True),
    Column("count", BigInteger, nullable=False),
)
"""Counts announcements, for watchers in other processes (SQLite only)."""


def is_by_model(name: str, version: str) -> ColumnElement[bool]:
    """Make the condition that a Workitem's results are of this model."""
    return and_(workitem.c.model_name == name, workitem.c.model_version == version)
