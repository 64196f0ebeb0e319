"""The way to inference engines: HTTP with connections that are kept, and several URLs.

An engine that does not answer is passed over for the next; none is waited for longer
than a request may take.
"""

import contextlib
import http.client
import json
import ssl
import threading
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from inference.errors import ModelFailed, ModelUnreachable, OutOfMemory

_BUSY = frozenset({408, 429, 502, 503, 504})
_FORBIDDEN = frozenset({401, 403})
_KEPT = 4
_TEXT_BYTES = 1 << 20
_MEMORY_WORDS = ("out of memory", "failed to allocate", "bad_alloc", "alloc_failed")
_ABSENT_WORDS = ("unknown model", "not found", "not ready", "no available versions")


@dataclass(frozen=True, slots=True, kw_only=True)
class EnginePlace:
    """Where engines are, and how they are spoken to.

    Parameters
    ----------
    urls
        ``http://host:port`` or ``https://…``, all of them alike.
    token
        Bearer token; empty for none.
    tls
        For ``https``; ``None`` for the system's trust.
    timeout_s
        For one request.
    """

    urls: Sequence[str]
    token: str = field(default="", repr=False)
    tls: ssl.SSLContext | None = None
    timeout_s: float = 30.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What an engine said."""

    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Mapping[str, Any]:
        """Read it as an object; ModelFailed where it is none."""
        try:
            told = json.loads(self.body)
        except ValueError as error:
            raise ModelFailed("the engine's answer is no JSON") from error
        if not isinstance(told, dict):
            raise ModelFailed("the engine's answer is no JSON object")
        return told


class EngineClient:
    """Asks the engines, one after the other until one answers.

    Parameters
    ----------
    place
        Where they are.
    """

    def __init__(self, place: EnginePlace) -> None:
        self._place = place
        self._kept: dict[str, deque[http.client.HTTPConnection]] = {
            url: deque() for url in place.urls
        }
        self._turn = 0
        self._lock = threading.Lock()

    def ask(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
        most_bytes: int = _TEXT_BYTES,
    ) -> Answer:
        """Ask one engine that answers; they take turns.

        Raises
        ------
        ModelUnreachable
            None of them answers, or each has too much to do.
        OutOfMemory, ModelFailed
            One answered that it cannot.
        """
        failed: ModelUnreachable | None = None
        for url in self._in_turn():
            try:
                return self._ask(url, method, path, body, headers or {}, most_bytes)
            except ModelUnreachable as error:
                failed = error
        assert failed is not None  # noqa: S101  there is at least one URL
        raise failed

    def close(self) -> None:
        """Close every connection that is kept."""
        for kept in self._kept.values():
            while kept:
                kept.pop().close()

    def _in_turn(self) -> list[str]:
        with self._lock:
            self._turn += 1
            start = self._turn % len(self._place.urls)
        return [*self._place.urls[start:], *self._place.urls[:start]]

    def _ask(
        self,
        url: str,
        method: str,
        path: str,
        body: bytes,
        headers: Mapping[str, str],
        most_bytes: int,
    ) -> Answer:
        sent = {"Accept-Encoding": "identity", **headers}
        if self._place.token:
            sent["Authorization"] = f"Bearer {self._place.token}"
        try:
            with self._connection(url) as connection:
                base = urlsplit(url).path.rstrip("/")
                connection.request(method, base + path, body or None, sent)
                response = connection.getresponse()
                # One byte more shows that there are too many.
                content = response.read(most_bytes + 1)
                if not response.isclosed() and len(content) > most_bytes:
                    connection.close()
        except (OSError, http.client.HTTPException) as error:
            words = getattr(error, "strerror", None) or type(error).__name__
            raise ModelUnreachable(
                f"the engine at {url} does not answer: {words}"
            ) from error
        if len(content) > most_bytes:
            raise ModelFailed(f"the engine at {url} answers too much")
        if response.status != http.HTTPStatus.OK:
            raise refused(url, response.status, content)
        return Answer(dict(response.headers.items()), content)

    @contextlib.contextmanager
    def _connection(self, url: str) -> Iterator[http.client.HTTPConnection]:
        """Lend a connection; it is kept when all went well."""
        kept = self._kept[url]
        try:
            connection = kept.pop()
            if _has_ended(connection):
                connection.close()
                connection = self._open(url)
        except IndexError:
            connection = self._open(url)
        try:
            yield connection
        except BaseException:
            connection.close()
            raise
        if len(kept) < _KEPT:
            kept.append(connection)
        else:
            connection.close()

    def _open(self, url: str) -> http.client.HTTPConnection:
        parts, timeout_s = urlsplit(url), self._place.timeout_s
        host, port = parts.hostname or "", parts.port
        if parts.scheme == "https":
            context = self._place.tls or ssl.create_default_context()
            return http.client.HTTPSConnection(
                host, port, timeout=timeout_s, context=context
            )
        return http.client.HTTPConnection(host, port, timeout=timeout_s)


def refused(url: str, status: int, content: bytes) -> Exception:
    """Turn an engine's refusal into an error of this package."""
    text = _said(content)
    lowered = text.lower()
    if any(word in lowered for word in _MEMORY_WORDS):
        return OutOfMemory(f"the engine has not enough memory: {text}")
    if status in _FORBIDDEN:
        return ModelUnreachable(f"the engine at {url} refuses the credentials")
    if status in _BUSY:
        return ModelUnreachable(f"the engine at {url} answers {status}: {text}")
    if status == http.HTTPStatus.NOT_FOUND or any(w in lowered for w in _ABSENT_WORDS):
        return ModelUnreachable(f"the engine at {url} does not serve this model")
    return ModelFailed(f"the engine answers {status}: {text}")


def _said(content: bytes) -> str:
    """Take the sentence out of a refusal, and no more of it than fits a line."""
    try:
        text = str(json.loads(content)["error"])
    except (ValueError, KeyError, TypeError):
        text = ""
    return " ".join(text.split())[:200] or "it says no more"


def _has_ended(connection: http.client.HTTPConnection) -> bool:
    """Tell whether the other side has closed a connection that was kept."""
    sock = connection.sock
    if sock is None:
        return True
    sock.setblocking(False)  # noqa: FBT003  its only parameter
    try:
        # Nothing was asked, so that anything to read is its end.
        sock.recv(1)
    except (BlockingIOError, ssl.SSLWantReadError):
        return False
    except OSError:
        return True
    finally:
        with contextlib.suppress(OSError):
            sock.settimeout(connection.timeout)
    return True
