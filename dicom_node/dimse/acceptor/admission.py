"""Who may associate, and what the others are told (A-ASSOCIATE-RJ, PS3.8 9.3.4)."""

import ipaddress
import socket
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from cryptography import x509
from pynetdicom.pdu_primitives import A_ASSOCIATE

_APPLICATION_CONTEXT = "1.2.840.10008.3.1.1.1"  # PS3.7 A.2.1


@dataclass(frozen=True, slots=True)
class Peer:
    """Someone who may associate with this node.

    Parameters
    ----------
    ae_title
        Calling AE title.
    address
        An address or CIDR block the caller must come from; empty for anywhere. A
        host name is resolved when somebody calls.
    subject
        The subject of the certificate that the caller must show (RFC 4514); empty for
        any.
    """

    ae_title: str
    address: str = ""
    subject: str = ""

    def comes_from(self, address: str) -> bool:
        """Tell whether a caller's address is this peer's."""
        if not self.address:
            return True
        caller = _plain(address)
        try:
            return caller in ipaddress.ip_network(self.address, strict=False)
        except ValueError:
            return caller in _resolve(self.address)


@dataclass(frozen=True, slots=True)
class Rejection:
    """Why an association is refused: the fields of A-ASSOCIATE-RJ, and in words."""

    result: int
    source: int
    reason: int
    text: str


WRONG_CONTEXT = Rejection(1, 1, 2, "application context name not supported")
UNKNOWN_CALLER = Rejection(1, 1, 3, "calling AE title not recognised")
WRONG_ADDRESS = Rejection(1, 1, 3, "calling AE title comes from another address")
WRONG_CERTIFICATE = Rejection(
    1, 1, 3, "calling AE title comes with another certificate"
)
NOT_OUR_TITLE = Rejection(1, 1, 7, "called AE title not recognised")
STOPPING = Rejection(2, 3, 1, "the node is stopping")
TOO_MANY = Rejection(2, 3, 2, "too many associations")
TOO_MANY_FROM_THERE = Rejection(2, 3, 2, "too many associations from this address")


def rejection_of(
    request: A_ASSOCIATE,
    address: str,
    *,
    our_titles: Collection[str] | None,
    peers: Sequence[Peer] | None,
    subject: str = "",
) -> Rejection | None:
    """Say why a request is rejected for good; ``None`` when it is not.

    Parameters
    ----------
    request
        What the caller asks for.
    address
        Where the call comes from.
    our_titles
        The AE titles that callers may use; ``None`` for any.
    peers
        Who may call; ``None`` for anybody.
    subject
        Of the certificate that the caller showed; empty without one.
    """
    if request.application_context_name != _APPLICATION_CONTEXT:
        return WRONG_CONTEXT
    called = str(request.called_ae_title).strip()
    if our_titles is not None and called not in our_titles:
        return NOT_OUR_TITLE
    if peers is None:
        return None
    calling = str(request.calling_ae_title).strip()
    known = [peer for peer in peers if peer.ae_title == calling]
    return _refused_caller(known, address, subject)


def _refused_caller(
    known: Sequence[Peer], address: str, subject: str
) -> Rejection | None:
    if not known:
        return UNKNOWN_CALLER
    there = [peer for peer in known if peer.comes_from(address)]
    if not there:
        return WRONG_ADDRESS
    if not any(peer.subject in ("", subject) for peer in there):
        shown = f"calling AE title comes with the certificate of {subject or 'nobody'}"
        return replace(WRONG_CERTIFICATE, text=shown)
    return None


def subject_of(certificate: bytes) -> str:
    """Write a certificate's subject as RFC 4514 does, from its DER bytes."""
    return x509.load_der_x509_certificate(certificate).subject.rfc4514_string()


def _plain(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """Read an address; an IPv4 caller of an IPv6 socket is an IPv4 caller."""
    caller = ipaddress.ip_address(address.split("%", 1)[0])
    mapped = getattr(caller, "ipv4_mapped", None)
    return mapped or caller


def _resolve(host: str) -> set[ipaddress.IPv4Address | ipaddress.IPv6Address]:
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError:
        return set()
    return {_plain(str(entry[4][0])) for entry in found}
