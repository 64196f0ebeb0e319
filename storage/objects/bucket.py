"""A bucket of an S3 object store: the few calls that the store and its mark need.

The only importer of obstore. Whatever goes wrong is one of this package's errors; what
an answer says of the store's keys and addresses stays out of its sentence.
"""

import contextlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import obstore
from obstore import exceptions
from obstore.store import S3Store

from storage.errors import ObjectMissing, StoreFull, StoreUnavailable

_CHUNK_BYTES = 1 << 20
_PART_BYTES = 8 << 20
_PARTS_AT_ONCE = 4
_CODE = re.compile(r"<Code>(\w+)</Code>")
_FULL = frozenset({"QuotaExceeded", "InsufficientStorage", "EntityTooLarge"})
_SAID = {
    "NoSuchBucket": "there is no such bucket: make it, or correct objects.bucket",
    "RequestTimeTooSkewed": (
        "this machine's clock is too far from the object store's: set both by NTP"
    ),
    "InvalidAccessKeyId": "the object store does not know the access key",
    "SignatureDoesNotMatch": "the secret access key is wrong",
    "AccessDenied": "the credentials may not do this: look at the bucket's policy",
    "ExpiredToken": "the credentials have expired",
    "SlowDown": "the object store asks for fewer requests",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class BucketPlace:
    """Where a bucket is, and how it is spoken to.

    Parameters
    ----------
    name, prefix
        The bucket, and what comes before all names in it.
    endpoint
        URL of the store; empty for Amazon's own.
    region
        As requests are signed for.
    virtual_hosted
        Whether the bucket's name is part of the host's.
    access_key_id, secret_access_key
        Empty to take the environment's, or the machine's role.
    ca
        PEM text of who signed the store's certificate; empty for the system's.
    encryption, kms_key_id
        What the store is asked to encrypt with; empty for the bucket's default.
    timeout_s, retry_s
        Patience for one request, and for all tries of one.
    multipart_bytes
        Larger objects are sent in parts.
    """

    name: str
    prefix: str = ""
    endpoint: str = ""
    region: str = "us-east-1"
    virtual_hosted: bool = False
    access_key_id: str = ""
    secret_access_key: str = ""
    ca: str = ""
    encryption: str = ""
    kms_key_id: str = ""
    timeout_s: float = 30.0
    retry_s: float = 10.0
    multipart_bytes: int = 16 << 20

    def __str__(self) -> str:
        return f"s3://{self.name}/{self.prefix}".rstrip("/")


@dataclass(frozen=True, slots=True)
class Entry:
    """What a bucket holds under a name."""

    name: str
    size_bytes: int
    at: datetime


class Bucket:
    """Speaks to one bucket.

    Parameters
    ----------
    place
        Where it is.

    Raises
    ------
    StoreUnavailable
        It cannot even be tried; nothing was asked yet.
    """

    def __init__(self, place: BucketPlace) -> None:
        self.place = place
        try:
            self._store = S3Store(place.name, **_options(place))
        except (exceptions.BaseError, ValueError) as error:
            text = f"{place}: the settings of the object store cannot be used"
            raise StoreUnavailable(text) from error

    def __str__(self) -> str:
        return str(self.place)

    def create(self, name: str, content: Path | bytes) -> bool:
        """Put what nobody has put yet; tell whether it was new."""
        try:
            self._put(name, content, mode="create", use_multipart=False)
        except FileExistsError:
            return False
        return True

    def replace(self, name: str, content: Path | bytes) -> None:
        """Put, whatever is there; a large file in parts."""
        size = len(content) if isinstance(content, bytes) else content.stat().st_size
        self._put(
            name,
            content,
            use_multipart=size > self.place.multipart_bytes,
            chunk_size=_PART_BYTES,
            max_concurrency=_PARTS_AT_ONCE,
        )

    def look(self, name: str) -> Entry | None:
        """Tell of what is there; ``None`` where nothing is."""
        try:
            with self._translated():
                found = obstore.head(self._store, name)
        except ObjectMissing:
            # An answer without a body: is it the object that is not there?
            self.check()
            return None
        return Entry(name, found["size"], found["last_modified"])

    def read(self, name: str) -> Iterator[bytes]:
        """Read it piece by piece; raises ObjectMissing."""
        with self._translated():
            answer = obstore.get(self._store, name)
            for chunk in answer.stream(min_chunk_size=_CHUNK_BYTES):
                yield bytes(chunk)

    def remove(self, name: str) -> None:
        """Remove it; nothing happens when it is not there."""
        with contextlib.suppress(ObjectMissing), self._translated():
            obstore.delete(self._store, name)

    def copy(self, name: str, to: str) -> None:
        """Have the store copy it under another name; raises ObjectMissing."""
        with self._translated():
            obstore.copy(self._store, name, to)

    def entries(self, prefix: str) -> Iterator[Entry]:
        """Tell of everything whose name begins so."""
        with self._translated():
            for several in obstore.list(self._store, prefix=prefix):
                for one in several:
                    yield Entry(one["path"], one["size"], one["last_modified"])

    def check(self) -> None:
        """Ask the least that shows whether the bucket is there and ours to use.

        Raises
        ------
        StoreUnavailable
            It is not; says why.
        """
        try:
            with self._translated():
                obstore.list_with_delimiter(self._store, prefix="none")
        except ObjectMissing as error:
            said = _SAID["NoSuchBucket"]
            raise StoreUnavailable(f"{self.place}: {said}") from error

    def _put(self, name: str, content: Path | bytes, **how: Any) -> None:
        try:
            with self._translated():
                obstore.put(self._store, name, content, **how)
        except ObjectMissing as error:  # what is put cannot be missing
            text = f"{self.place}: the object store does not find what it is given"
            raise StoreUnavailable(text) from error

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except exceptions.AlreadyExistsError as error:
            raise FileExistsError from error
        except (exceptions.BaseError, FileNotFoundError) as error:
            raise self._error(error) from error

    def _error(self, error: Exception) -> Exception:
        found = _CODE.search(str(error))
        code = found[1] if found else ""
        if code in _FULL or "507 Insufficient" in str(error):
            return StoreFull(f"{self.place}: no space left for objects ({code})")
        if code in _SAID:
            return StoreUnavailable(f"{self.place}: {_SAID[code]}")
        if isinstance(error, FileNotFoundError):
            return ObjectMissing("there is no such object")
        if isinstance(
            error, exceptions.PermissionDeniedError | exceptions.UnauthenticatedError
        ):
            text = "the object store refuses the credentials"
            return StoreUnavailable(f"{self.place}: {text}{f' ({code})' * bool(code)}")
        reason = f"answers {code}" if code else "does not answer"
        return StoreUnavailable(f"{self.place}: the object store {reason}")


def _options(place: BucketPlace) -> dict[str, Any]:
    client: dict[str, Any] = {
        "timeout": timedelta(seconds=place.timeout_s),
        "connect_timeout": timedelta(seconds=min(5.0, place.timeout_s)),
        "allow_http": place.endpoint.startswith("http://"),
    }
    if place.ca:
        client["root_certificate"] = place.ca
    wanted = {
        "prefix": place.prefix.strip("/"),
        "endpoint": place.endpoint,
        "access_key_id": place.access_key_id,
        "secret_access_key": place.secret_access_key,
        "server_side_encryption": place.encryption,
        "sse_kms_key_id": place.kms_key_id,
    }
    return {
        **{name: value for name, value in wanted.items() if value},
        "region": place.region,
        "virtual_hosted_style_request": place.virtual_hosted,
        # What comes damaged over the wire is refused by stores that look.
        "checksum_algorithm": "SHA256",
        "client_options": client,
        "retry_config": {
            "max_retries": 3,
            "retry_timeout": timedelta(seconds=place.retry_s),
        },
    }
