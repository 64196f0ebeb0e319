"""Sessions of browsers: they are rows, so that they can be listed and ended.

Only the digest of what the browser holds is kept.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select

from storage.database import Transaction
from storage.schema import user_account, web_session

_T = web_session
LOCAL = "user"
"""The kind of session that a local user has; its role is that of the user by now."""
_REMEMBER = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class WebSession:
    """Somebody who is signed in."""

    digest: str
    name: str
    role: str
    kind: str
    created_at: datetime
    seen_at: datetime
    ends_at: datetime


def begin(tx: Transaction, session: WebSession) -> None:
    """Begin a session; those that are over are forgotten."""
    tx.execute(_T.delete().where(_T.c.ends_at <= session.created_at))
    tx.execute(
        _T.insert(), {name: getattr(session, name) for name in WebSession.__slots__}
    )


def find(
    tx: Transaction, digest: str, now: datetime, idle: timedelta
) -> WebSession | None:
    """Find the session of a digest, unless it is over or its user is gone."""
    row = tx.execute(
        select(*_T.c, user_account.c.role.label("role_by_now"))
        .select_from(_T.outerjoin(user_account, _T.c.name == user_account.c.name))
        .where(_T.c.digest == digest)
    ).first()
    if row is None:
        return None
    *values, role_by_now = row
    session = WebSession(*values)
    if session.ends_at <= now or now - session.seen_at > idle:
        return None
    if session.kind != LOCAL:
        return session
    if role_by_now is None:
        return None
    values[2] = role_by_now
    return WebSession(*values)


def is_sight_news(session: WebSession, now: datetime) -> bool:
    """Tell whether it is worth a write that somebody is still there."""
    return now - session.seen_at > _REMEMBER


def seen(tx: Transaction, digest: str, now: datetime) -> None:
    """Note that somebody is still there."""
    tx.execute(_T.update().where(_T.c.digest == digest).values(seen_at=now))


def list_sessions(tx: Transaction, now: datetime) -> list[WebSession]:
    """List who is signed in, newest first."""
    rows = tx.execute(
        select(_T).where(_T.c.ends_at > now).order_by(_T.c.created_at.desc())
    )
    return [WebSession(*row) for row in rows]


def end(tx: Transaction, digest: str) -> str | None:
    """End one session, and tell whose it was."""
    ended = tx.execute(_T.delete().where(_T.c.digest == digest).returning(_T.c.name))
    name: str | None = ended.scalar_one_or_none()
    return name


def end_all_of(tx: Transaction, name: str) -> int:
    """End all sessions of a name, and count them."""
    return int(tx.execute(_T.delete().where(_T.c.name == name)).rowcount)
