"""Finds out why there was no association, for people who set a connection up.

Looks again from below: the name, the connection, TLS, and what the other side says
to a byte of DICOM. Only commands that a person runs ask; a delivery just waits.
"""

import socket
import ssl
from collections.abc import Mapping
from contextlib import suppress

from dicom_node.dimse.scu.association import RemoteAE, Timeouts
from dicom_node.errors import NodeError

_RELEASE_RQ = b"\x05\0\0\0\0\x04\0\0\0\0"
"""An A-RELEASE-RQ: whoever speaks DICOM aborts, since there is nothing to release
(PS3.8 table 9-10, AA-1)."""
_ABORT, _TLS_ALERT = 0x07, 0x15
_PATIENCE_S = 5.0
_GRACE_S = 1.0
_ADVICE: Mapping[str, str] = {
    "calling AE title not recognised": (
        "it does not know who calls: add {calling} to the callers it accepts (a node"
        " lists them as [[dimse.peers]]), or call as one of them with --calling"
    ),
    "called AE title not recognised": (
        "it does not call itself {called}: correct the AE title"
    ),
    "temporary congestion": "it is busy or stopping: try again later",
    "local limit exceeded": "it has too many associations: try again later",
}
"""What the words of a rejection (PS3.8 table 9-21) ask for."""


def explain(
    error: NodeError, remote: RemoteAE, calling_ae: str, timeouts: Timeouts
) -> str:
    """Say in one line whom a failure concerns, why it happened, and what to do.

    Parameters
    ----------
    error
        How the call ended.
    remote, calling_ae
        Who was called, and under which title.
    timeouts
        How long another look may take.
    """
    words = str(error)
    said = words if str(remote) in words else f"{remote}: {words}"
    for reason, text in _ADVICE.items():
        if reason in words:
            return said + ": " + text.format(calling=calling_ae, called=remote.ae_title)
    if words.startswith("no association"):
        return f"{said}: {diagnose(remote, timeouts)}"
    return said


def diagnose(remote: RemoteAE, timeouts: Timeouts) -> str:
    """Say why a peer cannot be associated with, and what to look at.

    Parameters
    ----------
    remote
        Whom there was no association with.
    timeouts
        How long the connection may take.
    """
    where = f"{remote.host}:{remote.port}"
    try:
        connection = socket.create_connection(
            (remote.host, remote.port), timeouts.connection_s
        )
    except socket.gaierror:
        return f"the name {remote.host} does not resolve: check it, and DNS"
    except TimeoutError:
        return (
            f"{where} did not answer within {timeouts.connection_s:g} s (timed out):"
            " check the address, and firewalls on the way"
        )
    except ConnectionRefusedError:
        return (
            f"{where} refused the connection: nothing listens there; check the port,"
            " and whether the service runs"
        )
    except OSError as error:
        return f"{where} cannot be reached: {error.strerror or error}"
    with connection:
        connection.settimeout(min(timeouts.association_s, _PATIENCE_S))
        return _listen_to(connection, remote, where)


def _listen_to(connection: socket.socket, remote: RemoteAE, where: str) -> str:
    """Tell by its answer what kind of service this is."""
    try:
        answer = _answer(connection, remote)
    except ssl.SSLCertVerificationError as error:
        return f"{where}: its certificate is not trusted: {error.verify_message}"
    except ssl.SSLError as error:
        return f"{where} speaks no TLS, or refuses ours: {error.reason}"
    except TimeoutError:
        if remote.tls is not None:
            return f"{where} did not answer the TLS handshake (timed out): is TLS on?"
        return (
            f"{where} took the connection and said nothing (timed out): another kind of"
            " service, or one that expects TLS"
        )
    except OSError:
        answer = b""
    return _kind_of(answer, where, secure=remote.tls is not None)


def _answer(connection: socket.socket, remote: RemoteAE) -> bytes:
    """Say a byte of DICOM, with TLS where it is wanted, and read what comes back."""
    if remote.tls is not None:
        connection = remote.tls.wrap_socket(connection, server_hostname=remote.host)
    with connection:
        connection.settimeout(_GRACE_S)
        connection.sendall(_RELEASE_RQ)
        answer = _first_bytes(connection)
        if not answer:
            # A service that reads lines waits for the end of one.
            connection.sendall(b"\r\n\r\n")
            connection.settimeout(_PATIENCE_S)
            answer = _first_bytes(connection)
        return answer


def _first_bytes(connection: socket.socket) -> bytes:
    """Read the beginning of an answer; nothing when none came in time."""
    with suppress(TimeoutError):
        return connection.recv(16) or b"\0"
    return b""


def _kind_of(answer: bytes, where: str, *, secure: bool) -> str:
    if answer.startswith((b"HTTP/", b"<")):
        return f"{where} speaks HTTP, not DICOM (wrong protocol): check the port"
    if answer[:1] == bytes([_TLS_ALERT]):
        return f"{where} expects TLS: set tls = true for it, with [dimse.tls]"
    if answer[:1] == bytes([_ABORT]):
        return (
            f"{where} speaks DICOM and aborted the association: its log says why;"
            " perhaps it does not accept this address or what was offered"
        )
    if answer in (b"", b"\0"):
        tls = "" if secure else "; perhaps it expects TLS"
        return (
            f"{where} took the connection and aborted it without a word of DICOM"
            f"{tls}, or it does not accept this address"
        )
    return f"{where} does not speak DICOM (wrong protocol): check the port"
