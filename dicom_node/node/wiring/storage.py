"""The database, the object store, and how long objects stay."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from dicom_node.errors import SettingsInvalid
from dicom_node.node.settings.load import Settings
from storage.database import Database
from storage.errors import SchemaOutdated
from storage.objects.files import FileObjectStore
from storage.objects.mark import MarkFile, MarkObject, MarkPlace
from storage.objects.protocol import ObjectStore

if TYPE_CHECKING:
    from storage.objects.bucket import Bucket

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


def make_store(settings: Settings) -> ObjectStore:
    """Open the object store that the node uses."""
    if settings.objects.kind == "s3":
        return make_s3_store(settings)
    return make_file_store(settings)


def make_file_store(settings: Settings) -> FileObjectStore:
    """Open the object store in the data folder."""
    section = settings.node
    return FileObjectStore(section.data_dir, watermark_bytes=section.minimum_free_bytes)


def make_s3_store(settings: Settings) -> ObjectStore:
    """Open the object store in the bucket, whatever the node uses.

    Raises
    ------
    SettingsInvalid
        The bucket is not named, or the library is not installed.
    """
    bucket = make_bucket(settings)
    # Late: it brings a library that is an extra.
    from storage.objects.s3 import S3ObjectStore  # noqa: PLC0415  see above

    return S3ObjectStore(
        bucket,
        settings.node.data_dir,
        watermark_bytes=settings.node.minimum_free_bytes,
        cache_bytes=settings.objects.cache_bytes,
    )


def make_bucket(settings: Settings) -> "Bucket":
    """Make the way to the bucket; nothing is asked yet.

    Raises
    ------
    SettingsInvalid
        The bucket is not named, or the library is not installed.
    """
    try:
        from storage.objects.bucket import Bucket, BucketPlace  # noqa: PLC0415  an extra
    except ModuleNotFoundError as error:
        raise SettingsInvalid(
            "objects.kind: s3 needs the extra s3: pip install 'cxr-node[s3]'"
        ) from error
    section = settings.objects
    if not section.bucket:
        raise SettingsInvalid("objects.bucket: an S3 object store needs a bucket")
    return Bucket(
        BucketPlace(
            name=section.bucket,
            prefix=section.prefix,
            endpoint=section.endpoint,
            region=section.region,
            virtual_hosted=section.virtual_hosted,
            access_key_id=section.access_key_id.get_secret_value(),
            secret_access_key=section.secret_access_key.get_secret_value(),
            ca=_pem(section.ca) if section.ca else "",
            encryption=section.encryption,
            kms_key_id=section.kms_key_id,
            timeout_s=section.timeout_s,
            retry_s=section.retry_s,
            multipart_bytes=section.multipart_bytes,
        )
    )


def make_mark(settings: Settings, database: Database) -> MarkPlace:
    """Make the way to the mark of the store that the node uses."""
    if settings.objects.kind == "s3":
        return make_s3_mark(settings, database)
    return MarkFile(settings.node.data_dir)


def make_s3_mark(settings: Settings, database: Database) -> MarkPlace:
    """Make the way to the mark in the bucket.

    Turns are taken by a lock of the database's server; processes that share an
    embedded database share a folder, too.
    """
    if database.dialect == "postgresql":
        return MarkObject(make_bucket(settings), database.taking_turns)
    return MarkObject(make_bucket(settings), MarkFile(settings.node.data_dir).locked)


def _pem(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsInvalid(f"objects.ca: {path} cannot be read") from error
