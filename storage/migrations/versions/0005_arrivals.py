"""How often the same image came again."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Count duplicates beside the image."""
    op.add_column(
        "instance",
        sa.Column(
            "duplicates", sa.Integer(), nullable=False, server_default=sa.text("0")
        ),
    )
    op.add_column(
        "instance",
        sa.Column("duplicate_at", sa.DateTime(timezone=True), nullable=True),
    )
