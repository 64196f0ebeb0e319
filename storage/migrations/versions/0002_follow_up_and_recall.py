"""What follow-up films and recalls need: who, when taken, and what was called back."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add columns; films received before are as old as their arrival."""
    op.add_column(
        "instance",
        sa.Column(
            "issuer_of_patient_id",
            sa.Text(),
            nullable=False,
            server_default=sa.text("''"),
        ),
    )
    op.add_column(
        "instance", sa.Column("acquired_at", sa.DateTime(timezone=True), nullable=True)
    )
    op.add_column(
        "workitem", sa.Column("recalled_at", sa.DateTime(timezone=True), nullable=True)
    )
    op.add_column("workitem", sa.Column("recall_reason", sa.Text(), nullable=True))
    op.add_column("workitem", sa.Column("rejection_note_uid", sa.Text(), nullable=True))
