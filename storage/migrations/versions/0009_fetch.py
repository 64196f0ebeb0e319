"""Studies that this node has others send to it, and films that wait for one."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

ROW_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Add the tables."""
    op.create_table(
        "fetch_request",
        sa.Column("fetch_id", ROW_ID, autoincrement=True, nullable=False),
        sa.Column("peer", sa.Text(), nullable=False),
        sa.Column("study_instance_uid", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("deliver", sa.Boolean(), nullable=False),
        sa.Column("requested_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("next_try_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("fetch_id", name="pk_fetch_request"),
        sa.UniqueConstraint(
            "study_instance_uid",
            "peer",
            name="uq_fetch_request_study_instance_uid_peer",
        ),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "ix_fetch_request_open",
        "fetch_request",
        ["next_try_at"],
        sqlite_where=sa.text("state IN ('WAITING', 'MOVING')"),
        postgresql_where=sa.text("state IN ('WAITING', 'MOVING')"),
    )
    op.create_table(
        "prior_search",
        sa.Column("workitem_uid", sa.Text(), nullable=False),
        sa.Column("sop_instance_uid", sa.Text(), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("workitem_uid", name="pk_prior_search"),
    )
    op.create_index(
        "ix_prior_search_open",
        "prior_search",
        ["until"],
        sqlite_where=sa.text("outcome IS NULL"),
        postgresql_where=sa.text("outcome IS NULL"),
    )
