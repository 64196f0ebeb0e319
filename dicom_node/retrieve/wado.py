"""Fetches one instance by WADO-RS, from a configured source alone (PS3.18 10.4).

Whoever pushes a Workitem may write any Retrieve URL into it: it only chooses among the
sources of the configuration. What is asked for is put together here, redirects are not
followed, and what comes is bounded in bytes and in time.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import monotonic
from urllib.parse import SplitResult, urlsplit

import httpx2

from dicom_node.errors import PeerBusy, PeerRefused, PeerUnreachable
from storage.objects.protocol import Incoming

_ACCEPT = 'multipart/related; type="application/dicom"; transfer-syntax=*'
_PORTS = {"http": 80, "https": 443}
_PART_HEADER_BYTES = 8192
_BOUNDARY_LENGTH = 70  # RFC 2046 5.1.1
_PIECE_BYTES = 256 * 1024
_OK, _SERVER_ERROR, _TOO_MANY = 200, 500, 429


@dataclass(frozen=True, slots=True)
class ImageServer:
    """A WADO-RS origin server that images are fetched from.

    Parameters
    ----------
    url
        Its base, up to what comes before ``/studies``.
    token
        Bearer token, if it asks for one.
    """

    url: str
    token: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class FetchLimits:
    """What one image may take."""

    bytes: int
    total_s: float


@dataclass(frozen=True, slots=True)
class InstanceReference:
    """Which instance."""

    study: str
    series: str
    instance: str


def source_of(url: str, sources: Sequence[ImageServer]) -> ImageServer | None:
    """Find the configured source that a Retrieve URL belongs to."""
    asked = _split(url)
    if asked is None:
        return None
    for source in sources:
        base = _split(source.url)
        if base is None or _place(base) != _place(asked):
            continue
        if asked.path.startswith(f"{base.path.rstrip('/')}/studies/"):
            return source
    return None


def fetch(
    source: ImageServer, wanted: InstanceReference, into: Incoming, limits: FetchLimits
) -> None:
    """Fetch an instance into a writer, as a Part 10 file.

    Raises
    ------
    PeerUnreachable, PeerBusy
        It may be there later.
    PeerRefused
        It is not to be had: refused, redirected, or no such thing.
    """
    url = (
        f"{source.url.rstrip('/')}/studies/{wanted.study}/series/{wanted.series}"
        f"/instances/{wanted.instance}"
    )
    ends_at = monotonic() + limits.total_s
    try:
        with _asking(source, url, limits) as answer:
            _check(answer)
            pieces = _bounded(answer.iter_raw(_PIECE_BYTES), limits.bytes, ends_at)
            kind = answer.headers.get("content-type", "")
            for piece in _first_part(pieces, kind):
                into.write(piece)
    except httpx2.HTTPError as error:
        name = type(error).__name__
        raise PeerUnreachable(f"the source did not answer: {name}") from error


@contextmanager
def _asking(
    source: ImageServer, url: str, limits: FetchLimits
) -> Iterator[httpx2.Response]:
    headers = {"Accept": _ACCEPT, "Accept-Encoding": "identity"}
    if source.token:
        headers["Authorization"] = f"Bearer {source.token}"
    with (
        httpx2.Client(follow_redirects=False, timeout=limits.total_s) as client,
        client.stream("GET", url, headers=headers) as answer,
    ):
        yield answer


def _check(answer: httpx2.Response) -> None:
    status = answer.status_code
    if status == _OK:
        return
    if status >= _SERVER_ERROR or status == _TOO_MANY:
        raise PeerBusy(f"the source answered {status}")
    if answer.is_redirect:
        raise PeerRefused(status, "the source redirects, which is not followed")
    raise PeerRefused(status, f"the source answered {status}")


def _bounded(
    pieces: Iterator[bytes], most_bytes: int, ends_at: float
) -> Iterator[bytes]:
    received = 0
    for piece in pieces:
        received += len(piece)
        if received > most_bytes:
            raise PeerRefused(_OK, "the image is larger than this node accepts")
        if monotonic() > ends_at:
            raise PeerUnreachable("the source is too slow")
        yield piece


def _first_part(pieces: Iterator[bytes], content_type: str) -> Iterator[bytes]:
    """Give the body of the first part of ``multipart/related``, or the whole body."""
    kind, _, parameters = content_type.partition(";")
    if kind.strip().lower() == "application/dicom":
        yield from pieces
        return
    boundary = _boundary(parameters)
    if kind.strip().lower() != "multipart/related" or not boundary:
        raise PeerRefused(_OK, "the source did not answer with DICOM")
    held = b""
    for piece in pieces:
        held += piece
        start = held.find(b"\r\n\r\n")
        if start >= 0:
            held = held[start + 4 :]
            break
        if len(held) > _PART_HEADER_BYTES:
            raise PeerRefused(_OK, "the source's part has no end of its header")
    yield from _until(held, pieces, b"\r\n--" + boundary)


def _until(held: bytes, pieces: Iterator[bytes], end: bytes) -> Iterator[bytes]:
    while True:
        found = held.find(end)
        if found >= 0:
            yield held[:found]
            return
        keep = len(end) - 1
        if len(held) > keep:
            yield held[:-keep]
            held = held[-keep:]
        following = next(pieces, None)
        if following is None:
            raise PeerUnreachable("the source's answer is cut short")
        held += following


def _boundary(parameters: str) -> bytes:
    for parameter in parameters.split(";"):
        name, _, value = parameter.partition("=")
        text = value.strip().strip('"')
        fits = 0 < len(text) <= _BOUNDARY_LENGTH and text.isascii()
        if name.strip().lower() == "boundary" and fits:
            return text.encode()
    return b""


def _split(url: str) -> SplitResult | None:
    """Split a URL that is plain: no user, no query, nothing that a path hides."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return None
    plain = not (parts.username or parts.password or parts.query or parts.fragment)
    hides = "\\" in url or "%" in url or ".." in parts.path or "//" in parts.path
    if parts.scheme not in _PORTS or not parts.hostname or not plain or hides:
        return None
    return parts


def _place(parts: SplitResult) -> tuple[str, str, int]:
    port = parts.port or _PORTS[parts.scheme]
    return parts.scheme, str(parts.hostname), port
