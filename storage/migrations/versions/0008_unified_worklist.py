"""Workitems that others push, their subscribers, and reports on their way to them."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

JSON = sa.JSON(none_as_null=True).with_variant(
    postgresql.JSONB(none_as_null=True), "postgresql"
)
ROW_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Add the tables."""
    _add_pushed()
    _add_inputs()
    _add_subscriptions()
    _add_reports()


def _add_pushed() -> None:
    op.create_table(
        "pushed_workitem",
        sa.Column("workitem_uid", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("content", JSON, nullable=False),
        sa.Column("patient_id", sa.Text(), nullable=False),
        sa.Column("requested_by", sa.Text(), nullable=False),
        sa.Column("is_ours", sa.Boolean(), nullable=False),
        sa.Column("performer", sa.Text(), nullable=True),
        sa.Column("transaction_uid", sa.Text(), nullable=True),
        sa.Column("cancel_requested", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("modified_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("workitem_uid", name="pk_pushed_workitem"),
    )
    op.create_index(
        "ix_pushed_workitem_created_at_workitem_uid",
        "pushed_workitem",
        ["created_at", "workitem_uid"],
    )
    op.create_index("ix_pushed_workitem_patient_id", "pushed_workitem", ["patient_id"])
    op.create_index(
        "ix_pushed_workitem_open",
        "pushed_workitem",
        ["created_at"],
        sqlite_where=sa.text("ended_at IS NULL"),
        postgresql_where=sa.text("ended_at IS NULL"),
    )


def _add_inputs() -> None:
    op.create_table(
        "pushed_input",
        sa.Column("workitem_uid", sa.Text(), nullable=False),
        sa.Column("position", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("sop_instance_uid", sa.Text(), nullable=False),
        sa.Column("study_instance_uid", sa.Text(), nullable=False),
        sa.Column("series_instance_uid", sa.Text(), nullable=False),
        sa.Column("retrieve_url", sa.Text(), nullable=True),
        sa.Column("retrieve_ae", sa.Text(), nullable=True),
        sa.Column("is_fetched", sa.Boolean(), nullable=False),
        sa.Column("job_uid", sa.Text(), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["workitem_uid"],
            ["pushed_workitem.workitem_uid"],
            name="fk_pushed_input_workitem_uid",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("workitem_uid", "position", name="pk_pushed_input"),
    )


def _add_subscriptions() -> None:
    op.create_table(
        "subscription",
        sa.Column("ae_title", sa.Text(), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("is_subscribed", sa.Boolean(), nullable=False),
        sa.Column("deletion_lock", sa.Boolean(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("matching_keys", JSON, nullable=True),
        sa.Column("is_by_filter", sa.Boolean(), nullable=False),
        sa.Column("suspended_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("ae_title", "scope", name="pk_subscription"),
    )
    op.create_index("ix_subscription_scope", "subscription", ["scope"])


def _add_reports() -> None:
    op.create_table(
        "event_report",
        sa.Column("report_id", ROW_ID, autoincrement=True, nullable=False),
        sa.Column("ae_title", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("workitem_uid", sa.Text(), nullable=False),
        sa.Column("event_type", sa.Integer(), nullable=False),
        sa.Column("information", JSON, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_try_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("report_id", name="pk_event_report"),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "ix_event_report_channel_ae_title_report_id",
        "event_report",
        ["channel", "ae_title", "report_id"],
    )
