"""The first schema: instances, workitems, evidence and their deliveries."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

JSON = sa.JSON(none_as_null=True).with_variant(
    postgresql.JSONB(none_as_null=True), "postgresql"
)
ROW_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Make every table."""
    op.create_table(
        "instance",
        sa.Column("sop_instance_uid", sa.Text(), nullable=False),
        sa.Column("sop_class_uid", sa.Text(), nullable=False),
        sa.Column("transfer_syntax_uid", sa.Text(), nullable=False),
        sa.Column("study_instance_uid", sa.Text(), nullable=False),
        sa.Column("series_instance_uid", sa.Text(), nullable=False),
        sa.Column("object_key", sa.Text(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("calling_ae", sa.Text(), nullable=False),
        sa.Column("patient_id", sa.Text(), nullable=False),
        sa.Column("accession_number", sa.Text(), nullable=False),
        sa.Column("modality", sa.Text(), nullable=False),
        sa.Column("not_eligible_code", sa.Text(), nullable=True),
        sa.Column("not_eligible_text", sa.Text(), nullable=True),
        sa.Column("object_removed_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("sop_instance_uid", name="pk_instance"),
    )
    op.create_index(
        "ix_instance_accession_number",
        "instance",
        ["accession_number"],
        unique=False,
    )
    op.create_index("ix_instance_object_key", "instance", ["object_key"], unique=False)
    op.create_index("ix_instance_patient_id", "instance", ["patient_id"], unique=False)
    op.create_index(
        "ix_instance_received_at_sop_instance_uid",
        "instance",
        ["received_at", "sop_instance_uid"],
        unique=False,
    )
    op.create_index(
        "ix_instance_study_instance_uid_series_instance_uid",
        "instance",
        ["study_instance_uid", "series_instance_uid"],
        unique=False,
    )
    op.create_table(
        "quarantine",
        sa.Column("quarantine_id", ROW_ID, autoincrement=True, nullable=False),
        sa.Column("sop_instance_uid", sa.Text(), nullable=False),
        sa.Column("object_key", sa.Text(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("calling_ae", sa.Text(), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("quarantine_id", name="pk_quarantine"),
        sa.UniqueConstraint(
            "sop_instance_uid",
            "sha256",
            name="uq_quarantine_sop_instance_uid_sha256",
        ),
    )
    op.create_index(
        "ix_quarantine_object_key", "quarantine", ["object_key"], unique=False
    )
    op.create_index(
        "ix_quarantine_sop_instance_uid",
        "quarantine",
        ["sop_instance_uid"],
        unique=False,
    )
    op.create_table(
        "signal",
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("topic", name="pk_signal"),
    )
    op.create_table(
        "workitem",
        sa.Column("workitem_uid", sa.Text(), nullable=False),
        sa.Column("sop_instance_uid", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("stage", sa.Text(), nullable=False),
        sa.Column("scheduled_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("transaction_uid", sa.Text(), nullable=True),
        sa.Column("worker", sa.Text(), nullable=True),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("not_before", sa.DateTime(timezone=True), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("analyzed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reason_code", sa.Text(), nullable=True),
        sa.Column("reason_text", sa.Text(), nullable=True),
        sa.Column("reason_cause", sa.Text(), nullable=True),
        sa.Column("cancel_requested", sa.Boolean(), nullable=False),
        sa.Column("result", JSON, nullable=True),
        sa.Column("replaced_by", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["sop_instance_uid"],
            ["instance.sop_instance_uid"],
            name="fk_workitem_sop_instance_uid",
        ),
        sa.PrimaryKeyConstraint("workitem_uid", name="pk_workitem"),
    )
    op.create_index(
        "ix_workitem_analyzing",
        "workitem",
        ["lease_until"],
        unique=False,
        sqlite_where=sa.text("stage = 'analyzing'"),
        postgresql_where=sa.text("stage = 'analyzing'"),
    )
    op.create_index(
        "ix_workitem_delivering",
        "workitem",
        ["workitem_uid"],
        unique=False,
        sqlite_where=sa.text("stage = 'delivering'"),
        postgresql_where=sa.text("stage = 'delivering'"),
    )
    op.create_index(
        "ix_workitem_queue",
        "workitem",
        [sa.text("priority DESC"), "scheduled_at"],
        unique=False,
        sqlite_where=sa.text("stage = 'queued'"),
        postgresql_where=sa.text("stage = 'queued'"),
    )
    op.create_index(
        "ix_workitem_scheduled_at_workitem_uid",
        "workitem",
        ["scheduled_at", "workitem_uid"],
        unique=False,
    )
    op.create_index(
        "ix_workitem_sop_instance_uid",
        "workitem",
        ["sop_instance_uid"],
        unique=False,
    )
    op.create_index(
        "uq_workitem_current",
        "workitem",
        ["sop_instance_uid"],
        unique=True,
        sqlite_where=sa.text("replaced_by IS NULL"),
        postgresql_where=sa.text("replaced_by IS NULL"),
    )
    op.create_table(
        "attempt",
        sa.Column("workitem_uid", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("worker", sa.Text(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["workitem_uid"],
            ["workitem.workitem_uid"],
            name="fk_attempt_workitem_uid",
        ),
        sa.PrimaryKeyConstraint("workitem_uid", "number", name="pk_attempt"),
    )
    op.create_table(
        "evidence",
        sa.Column("workitem_uid", sa.Text(), nullable=False),
        sa.Column("sop_instance_uid", sa.Text(), nullable=False),
        sa.Column("sop_class_uid", sa.Text(), nullable=False),
        sa.Column("series_instance_uid", sa.Text(), nullable=False),
        sa.Column("study_instance_uid", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("object_key", sa.Text(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("object_removed_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["workitem_uid"],
            ["workitem.workitem_uid"],
            name="fk_evidence_workitem_uid",
        ),
        sa.PrimaryKeyConstraint("workitem_uid", "sop_instance_uid", name="pk_evidence"),
    )
    op.create_index("ix_evidence_object_key", "evidence", ["object_key"], unique=False)
    op.create_index(
        "ix_evidence_sop_instance_uid",
        "evidence",
        ["sop_instance_uid"],
        unique=False,
    )
    op.create_table(
        "delivery",
        sa.Column("delivery_id", ROW_ID, autoincrement=True, nullable=False),
        sa.Column("workitem_uid", sa.Text(), nullable=False),
        sa.Column("sop_instance_uid", sa.Text(), nullable=False),
        sa.Column("destination", sa.Text(), nullable=False),
        sa.Column("required", sa.Boolean(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("next_try_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_status", sa.Integer(), nullable=True),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("superseded_by", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["workitem_uid", "sop_instance_uid"],
            ["evidence.workitem_uid", "evidence.sop_instance_uid"],
            name="fk_delivery_workitem_uid_sop_instance_uid",
        ),
        sa.PrimaryKeyConstraint("delivery_id", name="pk_delivery"),
        sa.UniqueConstraint(
            "workitem_uid",
            "sop_instance_uid",
            "destination",
            name="uq_delivery_workitem_uid_sop_instance_uid_destination",
        ),
    )
    op.create_index(
        "ix_instance_held",
        "instance",
        ["received_at"],
        unique=False,
        sqlite_where=sa.text("object_removed_at IS NULL"),
        postgresql_where=sa.text("object_removed_at IS NULL"),
    )
    op.create_index(
        "ix_evidence_held",
        "evidence",
        ["created_at"],
        unique=False,
        sqlite_where=sa.text("object_removed_at IS NULL"),
        postgresql_where=sa.text("object_removed_at IS NULL"),
    )
    op.create_index(
        "ix_delivery_outbox",
        "delivery",
        ["destination", "next_try_at"],
        unique=False,
        sqlite_where=sa.text("state = 'PENDING'"),
        postgresql_where=sa.text("state = 'PENDING'"),
    )
