"""The TLS handshake of an HTTP connection: by the newest certificates, and told of.

asyncio holds on to the context that it was given when it began to listen, and says
nothing of a handshake that fails. This one hands every handshake on to the newest
context, and leaves a line for those that fail.
"""

import logging
import ssl
from contextvars import ContextVar
from typing import Any, Self

logger = logging.getLogger(__name__)

PEER: ContextVar[str] = ContextVar("peer", default="an unknown address")
"""Who connects; asyncio hands it down to the connection that it accepts."""


class TalkativeHandshake(ssl.SSLObject):
    """TLS of one connection, which says why its handshake failed."""

    def do_handshake(self) -> None:
        """Go on with the handshake."""
        try:
            super().do_handshake()
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            raise
        except ssl.SSLError as error:
            logger.warning(
                "A TLS handshake with %s failed: %s.",
                PEER.get(),
                error.reason or type(error).__name__,
                extra={"action": "reject"},
            )
            raise


class NewestContext(ssl.SSLContext):
    """A context in whose place another can be put while a server listens.

    Parameters
    ----------
    newest
        Who makes the next handshake.
    """

    def __new__(cls, newest: ssl.SSLContext) -> Self:
        """Make a context that makes no handshake itself."""
        del newest
        return super().__new__(cls, ssl.PROTOCOL_TLS_SERVER)

    def __init__(self, newest: ssl.SSLContext) -> None:
        self.newest = newest

    def wrap_bio(self, *args: Any, **options: Any) -> ssl.SSLObject:
        """Begin a handshake."""
        newest = self.newest
        newest.sslobject_class = TalkativeHandshake
        return newest.wrap_bio(*args, **options)
