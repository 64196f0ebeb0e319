"""Passwords: argon2id, two hashes at a time, for each takes 64 MiB."""

import threading

from pwdlib import PasswordHash
from pwdlib.exceptions import UnknownHashError
from pwdlib.hashers.argon2 import Argon2Hasher

SHORTEST, LONGEST = 12, 1000
_PATIENCE_S = 10.0
_HASHING = threading.BoundedSemaphore(2)
_HASHER = PasswordHash((Argon2Hasher(),))
# Nobody's: a name that is not known takes as long as one that is.
_NOBODYS = (
    "$argon2id$v=19$m=65536,t=3,p=4$c2FsdHNhbHRzYWx0c2FsdA"
    "$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
)


class TooBusy(Exception):
    """Too many passwords are looked at already."""


def trouble_with(password: str) -> str | None:
    """Say why a password cannot be used, if so."""
    if not SHORTEST <= len(password) <= LONGEST:
        return f"a password has {SHORTEST} to {LONGEST} characters"
    return None


def hashed(password: str) -> str:
    """Hash a password to keep it."""
    with _HASHING:
        return _HASHER.hash(password)


def verified(password: str, stored: str | None) -> tuple[bool, str | None]:
    """Compare a password with what is kept.

    Parameters
    ----------
    password
        As it was typed.
    stored
        Its hash; ``None`` when the name is not known.

    Returns
    -------
        Whether it is the one, and a new hash when the parameters have changed.

    Raises
    ------
    TooBusy
        Others are looked at for too long already.
    """
    if not _HASHING.acquire(timeout=_PATIENCE_S):
        raise TooBusy
    try:
        right, newer = _HASHER.verify_and_update(password[:LONGEST], stored or _NOBODYS)
    except UnknownHashError:
        return False, None
    finally:
        _HASHING.release()
    return right and stored is not None, newer
