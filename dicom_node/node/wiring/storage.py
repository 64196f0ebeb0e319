"""The database, the object store, and how long objects stay."""

from dicom_node.node.maintenance import Retention
from dicom_node.node.settings.load import Settings
from storage.database import Database


def make_database(settings: Settings) -> Database:
    """Make the way to the database; nothing is opened yet."""
    return Database(settings.database_url)


def retention(settings: Settings) -> Retention:
    """Say how long objects stay."""
    return Retention(settings.retention.sources, settings.retention.results)
