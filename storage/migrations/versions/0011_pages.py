"""What the web pages look for: failures, films of a device, a series, bytes made."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Index what people search by."""
    op.create_index(
        "ix_delivery_failed",
        "delivery",
        ["destination"],
        sqlite_where=sa.text("state = 'FAILED'"),
        postgresql_where=sa.text("state = 'FAILED'"),
    )
    op.create_index(
        "ix_workitem_ended_early",
        "workitem",
        ["reason_cause", "scheduled_at"],
        sqlite_where=sa.text("state = 'CANCELED'"),
        postgresql_where=sa.text("state = 'CANCELED'"),
    )
    op.create_index(
        "ix_instance_calling_ae_received_at", "instance", ["calling_ae", "received_at"]
    )
    op.create_index(
        "ix_instance_series_instance_uid", "instance", ["series_instance_uid"]
    )
