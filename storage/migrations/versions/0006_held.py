"""What is held, as it is searched for: tables, indexes, and the rows that are known."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
STUDY = (
    "patient_id",
    "issuer_of_patient_id",
    "patient_name",
    "patient_birth_date",
    "patient_sex",
    "study_date",
    "study_time",
    "study_id",
    "accession_number",
    "referring_physician_name",
    "study_description",
)
SERIES = (
    "modality",
    "series_number",
    "series_description",
    "series_date",
    "series_time",
    "body_part_examined",
    "laterality",
    "manufacturer",
    "manufacturer_model_name",
    "station_name",
    "institution_name",
    "performed_procedure_step_start_date",
    "performed_procedure_step_start_time",
)
INSTANCE = (
    "sop_class_uid",
    "instance_number",
    "content_date",
    "content_time",
    "acquisition_date",
    "acquisition_time",
    "view_position",
)
STUDIES = """
INSERT INTO held_study (study_instance_uid, patient_id, issuer_of_patient_id,
    accession_number, is_described)
SELECT study_instance_uid, MAX(patient_id), MAX(issuer_of_patient_id),
    MAX(accession_number), :no
FROM (
    SELECT study_instance_uid, patient_id, issuer_of_patient_id, accession_number
    FROM instance WHERE object_removed_at IS NULL
    UNION ALL
    SELECT study_instance_uid, '', '', ''
    FROM evidence WHERE object_removed_at IS NULL
) AS held GROUP BY study_instance_uid
"""
SERIES_ROWS = """
INSERT INTO held_series (study_instance_uid, series_instance_uid, modality,
    is_described)
SELECT study_instance_uid, series_instance_uid, MAX(modality), :no
FROM (
    SELECT study_instance_uid, series_instance_uid, modality
    FROM instance WHERE object_removed_at IS NULL
    UNION ALL
    SELECT study_instance_uid, series_instance_uid, ''
    FROM evidence WHERE object_removed_at IS NULL
) AS held GROUP BY study_instance_uid, series_instance_uid
"""
INSTANCES = """
INSERT INTO held_instance (sop_instance_uid, series_instance_uid, study_instance_uid,
    sop_class_uid, transfer_syntax_uid, object_key, size_bytes, sha256, is_described)
SELECT sop_instance_uid, series_instance_uid, study_instance_uid,
    sop_class_uid, {syntax}, object_key, size_bytes, sha256, :no
FROM {table} WHERE object_removed_at IS NULL
ON CONFLICT (sop_instance_uid) DO NOTHING
"""


def upgrade() -> None:
    """Make the tables; what stands in headers only is read when the node runs."""
    _add_studies()
    _add_series()
    _add_instances()
    _add_items()
    for statement in (
        STUDIES,
        SERIES_ROWS,
        INSTANCES.format(table="instance", syntax="transfer_syntax_uid"),
        INSTANCES.format(table="evidence", syntax="''"),
    ):
        op.get_bind().execute(sa.text(statement), {"no": False})


def _add_studies() -> None:
    op.create_table(
        "held_study",
        sa.Column("study_instance_uid", TEXT, nullable=False),
        *_values(STUDY),
        _value("patient_name_otherwise"),
        *_answer(),
        sa.PrimaryKeyConstraint("study_instance_uid", name="pk_held_study"),
    )
    _index("held_study", STUDY, "study_instance_uid")


def _add_series() -> None:
    op.create_table(
        "held_series",
        sa.Column("study_instance_uid", TEXT, nullable=False),
        sa.Column("series_instance_uid", TEXT, nullable=False),
        *_values(SERIES),
        *_answer(),
        sa.PrimaryKeyConstraint(
            "study_instance_uid", "series_instance_uid", name="pk_held_series"
        ),
    )
    op.create_index(
        "ix_held_series_series_instance_uid", "held_series", ["series_instance_uid"]
    )
    _index("held_series", SERIES, "study_instance_uid", "series_instance_uid")


def _add_instances() -> None:
    op.create_table(
        "held_instance",
        sa.Column("sop_instance_uid", TEXT, nullable=False),
        sa.Column("series_instance_uid", TEXT, nullable=False),
        sa.Column("study_instance_uid", TEXT, nullable=False),
        *_values(INSTANCE),
        sa.Column("transfer_syntax_uid", sa.Text(), nullable=False),
        sa.Column("object_key", sa.Text(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        *_answer(),
        sa.PrimaryKeyConstraint("sop_instance_uid", name="pk_held_instance"),
    )
    op.create_index(
        "ix_held_instance_place",
        "held_instance",
        ["study_instance_uid", "series_instance_uid", "sop_instance_uid"],
    )
    bare = sa.text("NOT is_described")
    op.create_index(
        "ix_held_instance_bare",
        "held_instance",
        ["sop_instance_uid"],
        sqlite_where=bare,
        postgresql_where=bare,
    )
    _index("held_instance", INSTANCE, "sop_instance_uid")


def _add_items() -> None:
    op.create_table(
        "held_item",
        sa.Column("owner_uid", TEXT, nullable=False),
        sa.Column("sequence", sa.Text(), nullable=False),
        sa.Column("item", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("keyword", sa.Text(), nullable=False),
        sa.Column("value", TEXT, nullable=False),
        sa.PrimaryKeyConstraint(
            "owner_uid", "sequence", "item", "keyword", name="pk_held_item"
        ),
    )
    op.create_index(
        "ix_held_item_sequence_keyword_value_owner_uid",
        "held_item",
        ["sequence", "keyword", "value", "owner_uid"],
    )


def _value(name: str) -> sa.Column[str]:
    return sa.Column(name, TEXT, nullable=False, server_default=sa.text("''"))


def _values(names: tuple[str, ...]) -> list[sa.Column[str]]:
    return [_value(name) for name in names]


def _answer() -> tuple[sa.Column[str], sa.Column[bool]]:
    return (
        sa.Column(
            "attributes", sa.Text(), nullable=False, server_default=sa.text("'{}'")
        ),
        sa.Column("is_described", sa.Boolean(), nullable=False),
    )


def _index(table: str, names: tuple[str, ...], *keys: str) -> None:
    for name in names:
        filled = None if name == "study_date" else sa.text(f"{name} <> ''")
        op.create_index(
            f"ix_{table}_{name}",
            table,
            [name, *keys],
            sqlite_where=filled,
            postgresql_where=filled,
        )
