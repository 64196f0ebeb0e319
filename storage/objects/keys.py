"""Names of objects: their digests; and of what was set aside: when, and what it was."""

from datetime import UTC, datetime

from storage.errors import ObjectMissing

_SHA256_HEX_LENGTH = 64
_ASIDE_TIME = "%Y%m%dT%H%M%SZ"


def key_of(digest: str) -> str:
    """Make the key of what has that digest."""
    return f"{digest[:2]}/{digest}"


def digest_of(key: str) -> str:
    """Take the digest out of a key, and refuse what was never one of ours.

    Raises
    ------
    ObjectMissing
        It is no key.
    """
    digest = key[3:]
    if len(digest) != _SHA256_HEX_LENGTH or key != key_of(digest) or "/" in digest:
        raise ObjectMissing(f"{key!r} is not a key of this store")
    return digest


def aside_name(key: str, at: datetime) -> str:
    """Name what is set aside at that time."""
    return f"{at:{_ASIDE_TIME}}-{digest_of(key)}"


def read_aside_name(name: str) -> tuple[str, datetime]:
    """Read such a name: the key, and when it was set aside; else ValueError."""
    time, _, digest = name.partition("-")
    at = datetime.strptime(time, _ASIDE_TIME).replace(tzinfo=UTC)
    return key_of(digest), at
