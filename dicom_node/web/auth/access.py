"""Who asks: by an API key, by a session's cookie, or by what a trusted proxy says."""

import hmac
import ipaddress
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from starlette.requests import HTTPConnection

from dicom_node.injected import clock
from dicom_node.monitoring.audit.trail import AuditTrail, Unrecorded
from dicom_node.web.auth import tokens
from dicom_node.web.auth.principal import (
    ANYBODY_HERE,
    CONFIGURED,
    AccessRole,
    Principal,
    PrincipalKind,
)
from storage.access import api_keys, sessions, users
from storage.database import Database

SECURE_COOKIE, PLAIN_COOKIE = "__Host-cxr_session", "cxr_session"
_HERE = frozenset({"localhost", "127.0.0.1", "::1"})
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True)
class TrustedProxy:
    """A proxy that says who asks; its word counts from its addresses only.

    Parameters
    ----------
    networks
        Where it is.
    user_header, groups_header
        In which it says who asks, and of which groups, separated by commas.
    roles
        Group -> role; the greatest counts.
    """

    networks: tuple[Network, ...]
    user_header: str
    groups_header: str
    roles: Mapping[str, AccessRole]


@dataclass(frozen=True, slots=True)
class Access:
    """Everything by which this node knows who asks.

    Parameters
    ----------
    keys
        Keys of the configuration; they may everything.
    is_closed
        Whether nobody gets in unknown, even where there is no way to be known.
    database
        Where users, keys and sessions are; without one there are none.
    clock
        The time, aware UTC.
    idle, longest
        How long a session lives without a request, and at all.
    proxy
        Who says who asks, if anybody.
    trail, node
        Who is told of people who come and go, and our AE title.
    """

    keys: tuple[str, ...] = ()
    is_closed: bool = False
    database: Database | None = None
    clock: Callable[[], datetime] = clock
    idle: timedelta = timedelta(hours=8)
    longest: timedelta = timedelta(days=7)
    proxy: TrustedProxy | None = None
    trail: AuditTrail = Unrecorded()  # noqa: RUF009  it holds nothing
    node: str = ""


def principal_of(request: HTTPConnection, access: Access) -> Principal | None:
    """Find out who asks; ``None`` when nobody is known, and somebody has to be.

    Raises
    ------
    StorageError
        It cannot be looked up.
    """
    known = (
        _by_key(request, access)
        or _by_proxy(request, access)
        or _by_session(request, access)
    )
    return known or (None if is_protected(access) else ANYBODY_HERE)


def is_protected(access: Access) -> bool:
    """Tell whether somebody has to be known: one who can be is enough for that."""
    if access.keys or access.is_closed or access.proxy is not None:
        return True
    if access.database is None:
        return False
    with access.database.transaction(read_only=True) as tx:
        return bool(users.count(tx) or api_keys.count(tx))


def session_token(request: HTTPConnection) -> str | None:
    """Take the cookie of a session, if there is one."""
    name = SECURE_COOKIE if is_safe(request) else PLAIN_COOKIE
    return request.cookies.get(name)


def is_safe(request: HTTPConnection) -> bool:
    """Tell whether what is said is encrypted, as far as this node can see."""
    return request.scope["scheme"] in ("https", "wss")


def is_from_here(request: HTTPConnection) -> bool:
    """Tell whether a browser asks for its own machine, where nothing is overheard."""
    return request.url.hostname in _HERE


def peer_of(request: HTTPConnection) -> str:
    """Tell who is connected, whatever a proxy says of whom it stands for."""
    client = request.client.host if request.client else ""
    return str(request.scope.get("state", {}).get("peer", client))


def is_within(address: str, networks: tuple[Network, ...]) -> bool:
    """Tell whether an address is one of some networks'."""
    try:
        place = ipaddress.ip_address(address)
    except ValueError:
        return False
    plain = getattr(place, "ipv4_mapped", None) or place
    return any(plain in network for network in networks)


def role_of_groups(
    groups: Iterable[str], roles: Mapping[str, AccessRole]
) -> AccessRole | None:
    """Find the greatest role of some groups; ``*`` stands for everybody."""
    return max((roles[one] for one in ("*", *groups) if one in roles), default=None)


def _by_key(request: HTTPConnection, access: Access) -> Principal | None:
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    key = given.strip()
    if scheme.lower() != "bearer" or not key:
        return None
    offered = key.encode()
    # Every key is compared, each in constant time: timing tells nothing.
    matches = [hmac.compare_digest(offered, one.encode()) for one in access.keys]
    if any(matches):
        return CONFIGURED
    if access.database is None:
        return None
    now = access.clock()
    with access.database.transaction(read_only=True) as tx:
        found = api_keys.find(tx, tokens.digest(key), now)
    if found is None:
        return None
    if api_keys.is_use_news(found, now):
        with access.database.transaction() as tx:
            api_keys.used(tx, found, now)
    return Principal(found.name, AccessRole.of(found.role), PrincipalKind.KEY)


def _by_proxy(request: HTTPConnection, access: Access) -> Principal | None:
    proxy = access.proxy
    if proxy is None or not is_within(peer_of(request), proxy.networks):
        return None
    names = request.headers.getlist(proxy.user_header)
    if len(names) != 1 or not names[0].strip():
        return None
    groups = ",".join(request.headers.getlist(proxy.groups_header)).split(",")
    role = role_of_groups((one.strip() for one in groups), proxy.roles)
    if role is None:
        return None
    return Principal(names[0].strip(), role, PrincipalKind.PROXY)


def _by_session(request: HTTPConnection, access: Access) -> Principal | None:
    token = session_token(request)
    if token is None or access.database is None:
        return None
    digest, now = tokens.digest(token), access.clock()
    with access.database.transaction(read_only=True) as tx:
        found = sessions.find(tx, digest, now, access.idle)
    if found is None:
        return None
    if sessions.is_sight_news(found, now):
        with access.database.transaction() as tx:
            sessions.seen(tx, digest, now)
    return Principal(found.name, AccessRole.of(found.role), PrincipalKind(found.kind))
