"""A receiver of results that takes Store transactions: STOW-RS (DICOM PS3.18 10.5).

One request carries a batch, and the answer is read object by object. Redirects are
not followed: results go where the site said, and nowhere else.
"""

import ssl
import uuid
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from time import monotonic

import httpx2

from dicom_node.dataset.part10 import IMPLEMENTATION_CLASS_UID
from dicom_node.delivery.destination import Handover, Parcel
from dicom_node.delivery.store_response import (
    StoreResponse,
    content_length,
    names,
    parts,
)
from dicom_node.dimse.status import Status, is_stored, refusal
from dicom_node.errors import NodeError, PeerBusy, PeerRefused, PeerUnreachable
from dicom_node.errors import PeerStumbled as Stumbled

_JSON = "application/dicom+json"
_ANSWER_BYTES = 1024 * 1024
"""An answer about a batch has a few hundred bytes for each object."""
_ACCOUNTED = frozenset({HTTPStatus.OK, HTTPStatus.ACCEPTED, HTTPStatus.CONFLICT})
_UNWELCOME = frozenset(
    {
        HTTPStatus.UNAUTHORIZED,
        HTTPStatus.FORBIDDEN,
        HTTPStatus.NOT_FOUND,
        HTTPStatus.METHOD_NOT_ALLOWED,
        HTTPStatus.PROXY_AUTHENTICATION_REQUIRED,
        HTTPStatus.NOT_IMPLEMENTED,
    }
)
"""No fault of an object: a key has expired, or the address is wrong. Results wait."""
_BUSY = frozenset(
    {
        HTTPStatus.REQUEST_TIMEOUT,
        HTTPStatus.TOO_MANY_REQUESTS,
        HTTPStatus.BAD_GATEWAY,
        HTTPStatus.SERVICE_UNAVAILABLE,
        HTTPStatus.GATEWAY_TIMEOUT,
        HTTPStatus.INSUFFICIENT_STORAGE,
    }
)
ANSWERS: Sequence[tuple[Collection[HTTPStatus], str]] = (
    (_ACCOUNTED, "read object by object"),
    (_UNWELCOME, "the results wait; asked again with back-off"),
    (_BUSY, "sent again with back-off"),
)
"""Which statuses are followed by what; others refuse the request for good."""
_THERE_ALREADY = frozenset({0xB00E})
"""Failure Reasons outside of PS3.18 that mean: I have this object already."""


@dataclass(frozen=True, slots=True)
class WebServer:
    """A DICOMweb server that this node calls.

    Parameters
    ----------
    url
        Its base, without ``/studies``.
    credentials
        Makes the header that says who we are, for each request anew, so that a
        token may be exchanged while the node runs.
    tls
        Context of a client.
    proxy
        URL of a proxy; the environment's is not asked.
    connection_s, answer_s
        How long a connection may take, and each piece of an answer.
    """

    url: str
    tls: ssl.SSLContext
    credentials: Callable[[], Mapping[str, str]] = field(default=dict)
    proxy: str | None = None
    connection_s: float = 10.0
    answer_s: float = 60.0


@dataclass(frozen=True, slots=True)
class _Answer:
    """A status, and the body as far as one is read."""

    status: int
    body: bytes = b""


class StowDestination:
    """A receiver that takes STOW-RS.

    Parameters
    ----------
    server
        Whom to call, and as whom.
    """

    def __init__(self, server: WebServer) -> None:
        self._server = server

    def deliver(self, parcels: Sequence[Parcel]) -> Iterator[Handover]:
        """Send objects in one request; see ``Destination.deliver``."""
        if not parcels:
            return
        wanted = []
        with self._client() as client:
            for parcel in parcels:
                if parcel.uncertain and self._holds(client, parcel):
                    yield Handover(parcel.sop_instance_uid, Status.SUCCESS)
                else:
                    wanted.append(parcel)
            if wanted:
                yield from self._store(client, wanted)

    def probe(self) -> None:
        """Search for what nobody has; see ``Destination.probe``."""
        with self._client() as client:
            answer = self._ask(
                client, "/studies", {"StudyInstanceUID": IMPLEMENTATION_CLASS_UID}
            )
        # A server without a search, or that wants other keys, is there all the same.
        if answer.status in _BUSY or answer.status in (
            HTTPStatus.UNAUTHORIZED,
            HTTPStatus.FORBIDDEN,
            HTTPStatus.PROXY_AUTHENTICATION_REQUIRED,
        ):
            raise self._error(answer)
        if _is_redirect(answer.status):
            raise self._error(answer)

    def _client(self) -> httpx2.Client:
        server = self._server
        return httpx2.Client(
            verify=server.tls,
            proxy=server.proxy,
            trust_env=False,
            follow_redirects=False,
            timeout=httpx2.Timeout(server.answer_s, connect=server.connection_s),
        )

    def _store(
        self, client: httpx2.Client, parcels: Sequence[Parcel]
    ) -> Iterator[Handover]:
        boundary = uuid.uuid4().hex
        paths = [parcel.path for parcel in parcels]
        try:
            answer = self._request(
                client,
                "POST",
                "/studies",
                content=parts(paths, boundary),
                headers={
                    "Content-Type": 'multipart/related; type="application/dicom";'
                    f" boundary={boundary}",
                    "Content-Length": str(content_length(paths, boundary)),
                },
            )
        except PeerUnreachable as gone:
            for one in parcels:
                yield Handover(one.sop_instance_uid, None, gone)
            return
        if answer.status in _ACCOUNTED:
            yield from self._accounted(client, parcels, answer)
            return
        error = self._error(answer)
        if len(parcels) > 1 and isinstance(error, PeerRefused):
            # It did not say which one it did not like.
            for parcel in parcels:
                yield from self._store(client, [parcel])
            return
        code = answer.status
        yield from (Handover(one.sop_instance_uid, code, error) for one in parcels)

    def _accounted(
        self, client: httpx2.Client, parcels: Sequence[Parcel], answer: _Answer
    ) -> Iterator[Handover]:
        """Read object by object what became of a request that was understood."""
        said = StoreResponse.read(answer.body)
        for parcel in parcels:
            uid = parcel.sop_instance_uid
            reason = said.failed.get(uid)
            if uid in said.failed and reason is not None:
                yield _refused(uid, reason)
            elif uid in said.stored:
                yield _stored(uid, said.stored[uid])
            elif self._took_all(answer, said, uid) or self._holds(client, parcel):
                yield _stored(uid, 0)
            else:
                text = "it does not say why it was not stored"
                error = Stumbled(answer.status, text, http=True)
                yield Handover(uid, answer.status, error)

    @staticmethod
    def _took_all(answer: _Answer, said: StoreResponse, uid: str) -> bool:
        """Tell whether a success covers an object of which nothing is said."""
        return answer.status == HTTPStatus.OK and uid not in said.failed

    def _holds(self, client: httpx2.Client, parcel: Parcel) -> bool:
        """Ask whether the receiver has an object; no answer is no yes."""
        uid = parcel.sop_instance_uid
        study = parcel.study_instance_uid
        path = f"/studies/{study}/instances" if study else "/instances"
        try:
            answer = self._ask(client, path, {"SOPInstanceUID": uid})
        except PeerUnreachable:
            return False
        return answer.status == HTTPStatus.OK and names(answer.body, uid)

    def _ask(
        self, client: httpx2.Client, path: str, query: Mapping[str, str]
    ) -> _Answer:
        return self._request(client, "GET", path, params={**query, "limit": "1"})

    def _request(
        self,
        client: httpx2.Client,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
        content: Iterator[bytes] | None = None,
    ) -> _Answer:
        """Ask once, and read no more of the answer, nor for longer, than is fair.

        Raises
        ------
        PeerUnreachable
            There was no answer.
        """
        server = self._server
        said = {"Accept": _JSON, "Accept-Encoding": "identity"} | dict(headers or {})
        try:
            said |= server.credentials()
            request = client.build_request(
                method,
                server.url + path,
                headers=said,
                params=params,
                content=content,
            )
            answer = client.send(request, stream=True)
            try:
                return _Answer(answer.status_code, _body(answer, server.answer_s))
            finally:
                answer.close()
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError, UnicodeError) as error:
            raise PeerUnreachable(
                f"no answer from {server.url}: {_words(error)}"
            ) from error

    def _error(self, answer: _Answer) -> NodeError:
        """Say what a status means that is about the request as a whole."""
        status, url = answer.status, self._server.url
        if _is_redirect(status):
            return PeerUnreachable(
                f"{url} answers with a redirect (HTTP {status}), which is not"
                " followed: correct the url"
            )
        if status in _UNWELCOME:
            return PeerUnreachable(f"{url} answers HTTP {status} {_phrase(status)}")
        if status in _BUSY:
            return PeerBusy(f"HTTP status {status} {_phrase(status)}")
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            return Stumbled(status, _phrase(status), http=True)
        return PeerRefused(status, _phrase(status), http=True)


def _is_redirect(status: int) -> bool:
    return status // 100 == 3  # noqa: PLR2004  RFC 9110 15.4


def _stored(uid: str, warning: int) -> Handover:
    return Handover(
        uid, warning, detail=f"warning reason 0x{warning:04X}" if warning else ""
    )


def _refused(uid: str, reason: int) -> Handover:
    """Read a Failure Reason: the codes are those of C-STORE (PS3.18 10.5.3)."""
    if is_stored(reason) or reason in _THERE_ALREADY:
        return _stored(uid, reason)
    return Handover(uid, reason, refusal(reason))


def _body(answer: httpx2.Response, patience_s: float) -> bytes:
    """Read a body as far as an answer is long; a longer one is none."""
    ends_at = monotonic() + patience_s
    body = bytearray()
    for piece in answer.iter_raw():
        body += piece
        if len(body) > _ANSWER_BYTES or monotonic() > ends_at:
            return b""
    return bytes(body)


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""


def _words(error: Exception) -> str:
    """Put a failure into words that quote nothing of ours or theirs."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"its certificate is not trusted: {cause.verify_message}"
        if isinstance(cause, ssl.SSLError):
            return f"TLS failed: {cause.reason}"
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror
        cause = cause.__cause__ or cause.__context__
    if isinstance(error, httpx2.TimeoutException):
        return "it took too long"
    return type(error).__name__
