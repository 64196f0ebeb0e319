"""Everything that can go wrong while remembering.

Inner errors know no DIMSE, HTTP or retry semantics.
"""


class StorageError(Exception):
    """Base of every error raised by this package."""


class StoreFull(StorageError):
    """No room for the object, or free space is below the watermark."""


class StoreUnavailable(StorageError):
    """The object store did not answer, or not as it should; later it may."""


class ObjectMissing(StorageError):
    """The object store holds nothing under that key."""


class ObjectCorrupt(StorageError):
    """The stored bytes no longer match their digest."""


class StoreMismatch(StorageError):
    """The database does not belong to this store, or is not known to."""


class DuplicateInstance(StorageError):
    """The SOP Instance UID is already known, with other bytes."""


class UnknownRecord(StorageError):
    """No such instance, workitem or delivery."""


class RecordExists(StorageError):
    """There is something of that name already."""


class CursorInvalid(StorageError):
    """The cursor of a listing is not one that a listing gave out."""


class QueryInvalid(StorageError):
    """A key of a query has a value that its attribute cannot have."""


class TransitionRefused(StorageError):
    """The Unified Procedure Step may not change to that state (PS3.4 CC.1.1)."""


class LeaseLost(StorageError):
    """Another worker owns this record now; what was done must not be recorded."""


class DatabaseUnavailable(StorageError):
    """The database did not answer; the same call may work later."""


class DatabaseUnfit(StorageError):
    """The database cannot hold what is written here, whatever its schema."""


class SchemaOutdated(StorageError):
    """The database schema is not the one this version needs."""
