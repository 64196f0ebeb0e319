"""Which version the schema has, which is needed, and the way from one to the other.

Every command asks for the versions, hardly any goes the way: only that loads the
library of migrations.
"""

from importlib import import_module
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, inspect, text

from storage.errors import SchemaOutdated

_MIGRATIONS = Path(__file__).parent / "migrations"
_TABLE = "alembic_version"


def needed() -> str:
    """Tell the newest version, by the number at the beginning of its file's name."""
    scripts = (_MIGRATIONS / "versions").glob("[0-9]*_*.py")
    return max(script.name.partition("_")[0] for script in scripts)


def current(connection: Connection) -> str | None:
    """Tell the version of a database; ``None`` where there is no schema yet."""
    if not inspect(connection).has_table(_TABLE):
        return None
    found = connection.execute(text(f"SELECT version_num FROM {_TABLE}"))  # noqa: S608  a constant
    version: str | None = found.scalar_one_or_none()
    return version


def upgrade(connection: Connection, to: str) -> None:
    """Bring the schema to a version.

    Raises
    ------
    SchemaOutdated
        It is newer than this version of the code.
    """
    command: Any = import_module("alembic.command")
    config = _config()
    config.attributes["connection"] = connection
    version = current(connection)
    if version is not None and version not in _known(config):
        raise SchemaOutdated(f"the database schema {version} is newer than this node")
    command.upgrade(config, to)


def _config() -> Any:
    config = import_module("alembic.config").Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


def _known(config: Any) -> set[str]:
    scripts = import_module("alembic.script").ScriptDirectory.from_config(config)
    return {script.revision for script in scripts.walk_revisions()}
