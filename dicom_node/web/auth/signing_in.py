"""Signing in: a session for who is known, and the cookie that stands for it."""

import logging
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from dicom_node.monitoring.audit import occasions
from dicom_node.monitoring.audit.occasions import Caller
from dicom_node.web.auth import passwords, tokens
from dicom_node.web.auth.access import (
    PLAIN_COOKIE,
    SECURE_COOKIE,
    Access,
    is_safe,
    session_token,
)
from dicom_node.web.auth.attempts import LoginAttempts
from dicom_node.web.auth.principal import AccessRole, Principal, PrincipalKind
from storage.access import sessions, users
from storage.database import Database

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class TooManyTries(Exception):
    """Nobody may try with that name, or from there, for a while."""

    wait_s: float


def known_user(
    database: Database, attempts: LoginAttempts, given: tuple[str, str], address: str
) -> Principal | None:
    """Look at a name and a password; ``None`` when they are wrong.

    Raises
    ------
    TooManyTries
        They are not looked at.
    TooBusy
        Others are looked at.
    """
    name, password = given
    if wait_s := attempts.take(name, address):
        _tell("Refused to look at a password", address)
        raise TooManyTries(wait_s)
    with database.transaction(read_only=True) as tx:
        user = users.find(tx, name)
    right, newer = passwords.verified(password, user.password_hash if user else None)
    if not right or user is None:
        # Not the name: people type their password into its field.
        _tell("Refused a name or a password", address)
        return None
    attempts.succeeded(name, address)
    if newer is not None:
        with database.transaction() as tx:
            users.rehash(tx, name, user.password_hash, newer)
    return Principal(name, AccessRole.of(user.role), PrincipalKind.USER)


def begin_session(
    request: Request, response: Response, access: Access, who: Principal
) -> None:
    """Begin a session, end the one that the browser had, and set its cookie."""
    if access.database is None:
        raise RuntimeError("without a database there are no sessions")
    token, now = tokens.new_token(), access.clock()
    session = sessions.WebSession(
        digest=tokens.digest(token),
        name=who.name,
        role=who.role.word,
        kind=who.kind.value,
        created_at=now,
        seen_at=now,
        ends_at=now + access.longest,
    )
    before = session_token(request)
    with access.database.transaction() as tx:
        if before is not None:
            sessions.end(tx, tokens.digest(before))
        sessions.begin(tx, session)
    safe = is_safe(request)
    response.set_cookie(
        SECURE_COOKIE if safe else PLAIN_COOKIE,
        token,
        secure=safe,
        httponly=True,
        samesite="lax",
        path="/",
    )
    logger.info("%s signed in.", who.name, extra={"action": "login"})
    access.trail.record(occasions.logged_in(caller(request, who.name), access.node))


def end_session(request: Request, response: Response, access: Access) -> None:
    """End the session that the browser has, and take its cookie back."""
    token = session_token(request)
    if token is not None and access.database is not None:
        with access.database.transaction() as tx:
            ended = sessions.end(tx, tokens.digest(token))
        if ended is not None:
            who = caller(request, ended)
            access.trail.record(occasions.logged_out(who, access.node))
    safe = is_safe(request)
    name = SECURE_COOKIE if safe else PLAIN_COOKIE
    response.delete_cookie(name, path="/", secure=safe, httponly=True, samesite="lax")


def tell_refused(request: Request, access: Access) -> None:
    """Have the audit trail say that somebody could not sign in.

    Not by which name: people type their password into its field.
    """
    who = caller(request, "somebody")
    access.trail.record(occasions.logged_in(who, access.node, failed=True))


def caller(request: Request, name: str) -> Caller:
    """Name who asks, for the audit trail."""
    return Caller(name, request.client.host if request.client else "")


def _tell(what: str, address: str) -> None:
    logger.warning("%s from %s.", what, address, extra={"action": "login"})
