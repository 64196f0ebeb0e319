"""By what the HTTP interface knows who asks, and where people sign in."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from importlib.util import find_spec

from fastapi import APIRouter

from dicom_node.errors import SettingsInvalid
from dicom_node.monitoring.audit.trail import AuditTrail, Unrecorded
from dicom_node.node.settings.load import Settings
from dicom_node.node.settings.web import AuthSection, is_loopback
from dicom_node.web.auth.access import Access, TrustedProxy, is_protected
from dicom_node.web.auth.attempts import AttemptLimits, LoginAttempts
from dicom_node.web.auth.login import login
from dicom_node.web.auth.oidc import OidcLogin, OidcProvider
from dicom_node.web.auth.principal import AccessRole
from storage.database import Database

UNRECORDED = Unrecorded()


def make_access(
    settings: Settings,
    database: Database | None,
    clock: Callable[[], datetime],
    trail: AuditTrail = UNRECORDED,
) -> Access:
    """Say by what it is known who asks."""
    section = settings.http.auth
    return Access(
        keys=tuple(key.get_secret_value() for key in section.api_keys),
        is_closed=is_closed(settings),
        database=database,
        clock=clock,
        idle=timedelta(seconds=section.session_idle_s),
        longest=timedelta(seconds=section.session_longest_s),
        proxy=_proxy(section),
        trail=trail,
        node=settings.node.ae_title,
    )


def is_closed(settings: Settings) -> bool:
    """Tell whether nobody gets in unknown, whoever is known."""
    section = settings.http
    is_open_to_others = not is_loopback(section.host)
    is_meant = section.auth.allow_unauthenticated
    return bool(section.auth.oidc.issuer) or (is_open_to_others and not is_meant)


def refuse_unprotected(settings: Settings, access: Access) -> None:
    """Refuse to listen for others where nobody can be known.

    Raises
    ------
    SettingsInvalid
        Nobody could get in, or everybody.
    """
    section = settings.http
    if is_loopback(section.host) or section.auth.allow_unauthenticated:
        return
    known = Access(keys=access.keys, database=access.database, proxy=access.proxy)
    if not section.auth.oidc.issuer and not is_protected(known):
        raise SettingsInvalid(
            "http: host is not a loopback address: add an admin with"
            " 'cxr-node users add', or set http.auth.api_keys, http.auth.oidc or"
            " http.auth.proxy; or http.auth.allow_unauthenticated = true if that is"
            " meant"
        )


def make_login(
    settings: Settings, access: Access, sheets: Sequence[str] = ()
) -> APIRouter:
    """Make the routes on which people sign in."""
    section = settings.http.auth
    limits = AttemptLimits(
        section.login_tries, section.login_tries_per_address, section.lock_out_s
    )
    return login(access, LoginAttempts(limits), _oidc(section), sheets)


def _oidc(section: AuthSection) -> OidcLogin | None:
    """Make the way to the provider, where there is one.

    Raises
    ------
    SettingsInvalid
        Its libraries are not installed.
    """
    asked = section.oidc
    if not asked.issuer:
        return None
    if find_spec("authlib") is None or find_spec("joserfc") is None:
        raise SettingsInvalid("http.auth.oidc: install cxr-node[sso]")
    return OidcLogin(
        OidcProvider(
            name=asked.name,
            issuer=asked.issuer,
            client_id=asked.client_id,
            client_secret=asked.client_secret.get_secret_value(),
            scopes=asked.scopes,
            name_claim=asked.name_claim,
            groups_claim=asked.groups_claim,
            roles=_roles(asked.roles),
        )
    )


def _proxy(section: AuthSection) -> TrustedProxy | None:
    asked = section.proxy
    if not asked.addresses:
        return None
    return TrustedProxy(
        tuple(asked.addresses),
        asked.user_header,
        asked.groups_header,
        _roles(asked.roles),
    )


def _roles(words: Mapping[str, str]) -> dict[str, AccessRole]:
    return {group: AccessRole.of(word) for group, word in words.items()}
