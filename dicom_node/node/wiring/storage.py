"""The database, the object store, and how long objects stay."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from dicom_node.node.settings.load import Settings
from storage.database import Database
from storage.errors import SchemaOutdated
from storage.objects.files import FileObjectStore

SQLITE = "sqlite:///"


def database_url(settings: Settings) -> str:
    """Tell the URL in use: the configured one, or SQLite in the data folder."""
    url = settings.database.url.get_secret_value()
    return url or f"{SQLITE}{settings.node.data_dir / 'node.db'}"


def embedded_file(settings: Settings) -> Path | None:
    """Tell the file of the embedded database; ``None`` where there is a server."""
    url = database_url(settings)
    return Path(url.removeprefix(SQLITE)) if url.startswith(SQLITE) else None


def make_database(settings: Settings) -> Database:
    """Make the way to the database; nothing is opened yet."""
    return Database(database_url(settings))


@contextmanager
def opened_database(settings: Settings) -> Iterator[Database]:
    """Open the database that a node made, and close it.

    Raises
    ------
    SchemaOutdated
        There is none yet, or it needs ``migrate``.
    """
    file = embedded_file(settings)
    if file is not None and not file.is_file():
        raise SchemaOutdated(f"{file}: no database; the node makes it when it starts")
    with closing(make_database(settings)) as database:
        database.check_schema()
        yield database


def ready_database(settings: Settings) -> Database:
    """Open the database; the embedded one is brought to the current schema."""
    database = make_database(settings)
    try:
        if database.dialect == "sqlite":
            database.migrate()
        else:
            database.check_schema()
    except BaseException:
        database.close()
        raise
    return database


def make_store(settings: Settings) -> FileObjectStore:
    """Open the object store."""
    section = settings.node
    return FileObjectStore(section.data_dir, watermark_bytes=section.minimum_free_bytes)
