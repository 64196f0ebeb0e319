"""An HTTP POST, and what its answer means for another try."""

import ssl
from collections.abc import Mapping
from http import HTTPStatus

import httpx2

from dicom_node.errors import PeerBusy, PeerRefused, PeerUnreachable

_HOPELESS = (
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.GONE,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    HTTPStatus.UNPROCESSABLE_ENTITY,
)
"""What the same message would be answered for ever; anything else may be mended."""
_PATIENCE = httpx2.Timeout(60.0, connect=10.0)


def post(
    url: str, content: bytes, headers: Mapping[str, str], tls: ssl.SSLContext
) -> None:
    """POST, and return when it was taken.

    Raises
    ------
    PeerUnreachable, PeerBusy
        It may work later.
    PeerRefused
        It never will.
    """
    try:
        with httpx2.Client(verify=tls, trust_env=False, timeout=_PATIENCE) as client:
            status = client.post(url, content=content, headers=headers).status_code
    except (httpx2.HTTPError, OSError) as error:
        raise PeerUnreachable(f"no answer ({type(error).__name__})") from error
    if status in _HOPELESS:
        raise PeerRefused(status, http=True)
    if status // 100 != 2:  # noqa: PLR2004  2xx: it was taken
        raise PeerBusy(f"HTTP status {status}")
