"""Events, further inputs, and whose results a Workitem has as columns."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

JSON = sa.JSON(none_as_null=True).with_variant(
    postgresql.JSONB(none_as_null=True), "postgresql"
)
ROW_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Add tables and columns; old results say by which model they are."""
    _add_events()
    _add_inputs()
    _add_models()
    _carry_models_over()


def _add_events() -> None:
    op.create_table(
        "event",
        sa.Column("event_id", ROW_ID, autoincrement=True, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("workitem_uid", sa.Text(), nullable=True),
        sa.Column("sop_instance_uid", sa.Text(), nullable=True),
        sa.Column("destination", sa.Text(), nullable=True),
        sa.Column("details", JSON, nullable=True),
        sa.PrimaryKeyConstraint("event_id", name="pk_event"),
        sqlite_autoincrement=True,
    )


def _add_inputs() -> None:
    op.create_table(
        "workitem_input",
        sa.Column("workitem_uid", sa.Text(), nullable=False),
        sa.Column("position", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("sop_instance_uid", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["workitem_uid"],
            ["workitem.workitem_uid"],
            name="fk_workitem_input_workitem_uid",
        ),
        sa.PrimaryKeyConstraint("workitem_uid", "position", name="pk_workitem_input"),
    )
    op.create_index(
        "ix_workitem_input_sop_instance_uid",
        "workitem_input",
        ["sop_instance_uid"],
        unique=False,
    )
    op.add_column(
        "workitem",
        sa.Column(
            "input_count", sa.Integer(), nullable=False, server_default=sa.text("1")
        ),
    )


def _add_models() -> None:
    for name in ("model_name", "model_version", "model_sha256", "maker"):
        op.add_column("workitem", sa.Column(name, sa.Text(), nullable=True))
    op.create_index(
        "ix_workitem_model",
        "workitem",
        ["model_name", "model_version"],
        unique=False,
        sqlite_where=sa.text("model_name IS NOT NULL"),
        postgresql_where=sa.text("model_name IS NOT NULL"),
    )


def _carry_models_over() -> None:
    workitem = sa.table(
        "workitem",
        sa.column("analyzed_at", sa.DateTime(timezone=True)),
        sa.column("result", JSON),
        *(
            sa.column(name, sa.Text())
            for name in ("model_name", "model_version", "model_sha256", "maker")
        ),
    )
    model = workitem.c.result["model"]
    name, version = model["name"].as_string(), model["version"].as_string()
    op.execute(
        workitem.update()
        .where(
            workitem.c.analyzed_at.is_not(None),
            name.is_not(None),
            version.is_not(None),
        )
        .values(
            model_name=name,
            model_version=version,
            model_sha256=sa.func.coalesce(model["sha256"].as_string(), ""),
            maker=workitem.c.result["maker"].as_string(),
        )
    )
