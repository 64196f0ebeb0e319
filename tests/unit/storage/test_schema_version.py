"""The version that is needed is the newest that the library of migrations finds."""

from pathlib import Path

from alembic.config import Config
from alembic.script import ScriptDirectory

import storage
from storage.schema_version import needed


def test_the_newest_migration_is_the_one_that_is_needed():
    config = Config()
    folder = Path(storage.__file__).parent / "migrations"
    config.set_main_option("script_location", str(folder))
    config.set_main_option("path_separator", "os")
    assert needed() == ScriptDirectory.from_config(config).get_current_head()
