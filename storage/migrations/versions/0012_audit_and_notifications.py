"""Counts, distributions of what models say, the audit trail, and notifications."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

JSON = sa.JSON(none_as_null=True).with_variant(
    postgresql.JSONB(none_as_null=True), "postgresql"
)
ROW_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Add the tables."""
    _add_counts()
    _add_audit_trail()
    _add_notifications()


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), nullable=False)


def _add_counts() -> None:
    op.create_table(
        "tally",
        _text("name"),
        _text("labels"),
        sa.Column("value", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("name", "labels", name="pk_tally"),
    )
    key = ("day", "model", "device", "measure", "step")
    op.create_table(
        "distribution",
        *map(_text, key),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint(*key, name="pk_distribution"),
    )
    op.create_table(
        "drift_reference",
        *map(_text, key[1:2] + key[3:]),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("model", "measure", "step", name="pk_drift_reference"),
    )


def _add_audit_trail() -> None:
    op.create_table(
        "audit_record",
        sa.Column("record_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        *map(_text, ("event", "message", "previous", "sha256")),
        sa.PrimaryKeyConstraint("record_id", name="pk_audit_record"),
    )


def _add_notifications() -> None:
    op.create_table(
        "notification",
        sa.Column("notification_id", ROW_ID, autoincrement=True, nullable=False),
        *map(_text, ("receiver", "rule", "subject")),
        sa.Column("workitem_uid", sa.Text(), nullable=True),
        sa.Column("content", JSON, nullable=False),
        _text("state"),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("next_try_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("notification_id", name="pk_notification"),
        sa.UniqueConstraint(
            "receiver", "rule", "subject", name="uq_notification_receiver_rule_subject"
        ),
    )
    op.create_index(
        "ix_notification_open",
        "notification",
        ["receiver", "next_try_at"],
        sqlite_where=sa.text("state = 'PENDING'"),
        postgresql_where=sa.text("state = 'PENDING'"),
    )
