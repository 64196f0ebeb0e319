"""Secrets that this node gives out: unguessable, and kept as their digest only."""

import hashlib
import secrets

_PREFIX = "cxr_"
_BYTES = 32


def new_key() -> str:
    """Make an API key; its beginning tells scanners of leaked secrets what it is."""
    return _PREFIX + secrets.token_urlsafe(_BYTES)


def new_token() -> str:
    """Make what a browser holds of a session."""
    return secrets.token_urlsafe(_BYTES)


def digest(secret: str) -> str:
    """Tell what is kept of a secret.

    A fast digest is enough: nobody guesses 256 bits.
    """
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()
