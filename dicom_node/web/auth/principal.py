"""Who asks: a name, a role, and how it is known."""

from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import Self, cast

from starlette.requests import HTTPConnection


class AccessRole(IntEnum):
    """What somebody may do; each role may what those before it may."""

    VIEWER = 1
    OPERATOR = 2
    ADMIN = 3

    @property
    def word(self) -> str:
        """The role as commands, settings and rows name it."""
        return self.name.lower()

    @classmethod
    def of(cls, word: str) -> Self:
        """Read a role's word.

        Raises
        ------
        ValueError
            There is no such role.
        """
        try:
            return cls[word.upper()]
        except KeyError:
            raise ValueError(f"no such role: {word}") from None


ROLE_WORDS = tuple(role.word for role in AccessRole)


class PrincipalKind(StrEnum):
    """How it is known who asks."""

    UNPROTECTED = "unprotected"  # nobody is asked on this node's own address
    CONFIGURED_KEY = "configured key"
    KEY = "key"
    USER = "user"
    OIDC = "oidc"
    PROXY = "proxy"


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks, at ``request.state.principal``."""

    name: str
    role: AccessRole
    kind: PrincipalKind


ANYBODY_HERE = Principal("local", AccessRole.ADMIN, PrincipalKind.UNPROTECTED)
CONFIGURED = Principal("configured", AccessRole.ADMIN, PrincipalKind.CONFIGURED_KEY)


def asking(request: HTTPConnection) -> Principal:
    """Tell who asks, at a route that the table gives to nobody unknown."""
    return cast("Principal", request.state.principal)
