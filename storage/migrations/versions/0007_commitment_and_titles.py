"""Storage Commitment in both roles, and the title that an image was sent to."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

JSON = sa.JSON(none_as_null=True).with_variant(
    postgresql.JSONB(none_as_null=True), "postgresql"
)
ROW_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Add what deliveries, images and the queue need, and two tables."""
    _add_to_deliveries()
    _add_commitments()
    _add_requests()
    _add_availability()
    op.add_column(
        "instance",
        sa.Column("called_ae", sa.Text(), nullable=False, server_default=sa.text("''")),
    )
    _partial("ix_workitem_waiting", "workitem", ["scheduled_at"], "stage = 'queued'")


def _add_to_deliveries() -> None:
    for column in (
        sa.Column(
            "commitment", sa.Boolean(), nullable=False, server_default=sa.text("false")
        ),
        sa.Column("commitment_uid", sa.Text(), nullable=True),
        sa.Column("commitment_due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "commitment_tries",
            sa.Integer(),
            nullable=False,
            server_default=sa.text("0"),
        ),
        sa.Column("committed_at", sa.DateTime(timezone=True), nullable=True),
    ):
        op.add_column("delivery", column)
    _partial(
        "ix_delivery_unasked",
        "delivery",
        ["destination", "commitment_due_at"],
        "commitment_due_at IS NOT NULL",
    )
    _partial(
        "ix_delivery_asked",
        "delivery",
        ["commitment_uid"],
        "commitment_uid IS NOT NULL",
    )


def _add_commitments() -> None:
    op.create_table(
        "commitment",
        sa.Column("transaction_uid", sa.Text(), nullable=False),
        sa.Column("destination", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("deadline", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("transaction_uid", name="pk_commitment"),
    )
    _partial("ix_commitment_open", "commitment", ["deadline"], "state = 'ASKED'")


def _add_requests() -> None:
    op.create_table(
        "commitment_request",
        sa.Column("request_id", ROW_ID, autoincrement=True, nullable=False),
        sa.Column("transaction_uid", sa.Text(), nullable=False),
        sa.Column("peer", sa.Text(), nullable=False),
        sa.Column("called_ae", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("objects", JSON, nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("next_try_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("reported_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("request_id", name="pk_commitment_request"),
        sa.UniqueConstraint(
            "peer",
            "transaction_uid",
            name="uq_commitment_request_peer_transaction_uid",
        ),
    )
    _partial(
        "ix_commitment_request_open",
        "commitment_request",
        ["next_try_at"],
        "state = 'PENDING'",
    )


def _add_availability() -> None:
    op.create_table(
        "availability_notice",
        sa.Column("workitem_uid", sa.Text(), nullable=False),
        sa.Column("peer", sa.Text(), nullable=False),
        sa.Column("sop_instance_uid", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("next_try_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["workitem_uid"],
            ["workitem.workitem_uid"],
            name="fk_availability_notice_workitem_uid",
        ),
        sa.PrimaryKeyConstraint("workitem_uid", "peer", name="pk_availability_notice"),
    )
    _partial(
        "ix_availability_notice_open",
        "availability_notice",
        ["next_try_at"],
        "state = 'PENDING'",
    )
    op.create_table(
        "event_reader",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("event_id", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_event_reader"),
    )


def _partial(name: str, table: str, columns: list[str], where: str) -> None:
    op.create_index(
        name,
        table,
        columns,
        unique=False,
        sqlite_where=sa.text(where),
        postgresql_where=sa.text(where),
    )
