"""``/api/v1/users`` and ``/api/v1/sessions``: who may sign in, and who is."""

from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Request
from pydantic import BaseModel, ConfigDict, Field, SecretStr

from dicom_node.web.api.parts import ApiParts
from dicom_node.web.api.result_views import View
from dicom_node.web.auth import passwords
from dicom_node.web.auth.principal import asking
from storage.access import sessions
from storage.access import users as accounts

RoleName = Literal["viewer", "operator", "admin"]
Name = Annotated[
    str, Field(min_length=1, max_length=200, pattern=r"^[!-~]+( [!-~]+)*$")
]
NamePath = Annotated[str, Path(min_length=1, max_length=200)]
Password = Annotated[
    SecretStr, Field(min_length=passwords.SHORTEST, max_length=passwords.LONGEST)
]


class UserView(View):
    """A local user."""

    name: str
    role: str = Field(description="viewer, operator or admin")
    created_at: datetime
    password_set_at: datetime


class NewUser(BaseModel):
    """A user to add."""

    model_config = ConfigDict(extra="forbid")

    name: Name
    role: RoleName
    password: Password


class UserChange(BaseModel):
    """What to change of a user; what is not given stays."""

    model_config = ConfigDict(extra="forbid")

    role: RoleName | None = None
    password: Password | None = None


class SessionView(View):
    """Somebody who is signed in."""

    name: str
    role: str
    kind: str = Field(description="user or oidc")
    created_at: datetime
    seen_at: datetime
    ends_at: datetime


class Users(BaseModel):
    """All local users, by name."""

    items: list[UserView]


class Sessions(BaseModel):
    """All sessions, newest first."""

    items: list[SessionView]


class Ended(BaseModel):
    """How many sessions were ended."""

    ended: int


class PrincipalView(BaseModel):
    """Who asks."""

    name: str
    role: RoleName
    kind: str = Field(description="how it is known who asks")


def me() -> APIRouter:
    """Make the route that tells who asks."""
    router = APIRouter(prefix="/api/v1/me", tags=["access"])

    @router.get("")
    def show_me(request: Request) -> PrincipalView:
        """Tell who asks, and with which role."""
        who = asking(request)
        return PrincipalView.model_validate(
            {"name": who.name, "role": who.role.word, "kind": who.kind.value}
        )

    return router


def users(parts: ApiParts) -> APIRouter:
    """Make the routes."""
    router = APIRouter(prefix="/api/v1/users", tags=["access"])

    @router.get("")
    def list_users() -> Users:
        """List the local users."""
        with parts.database.transaction(read_only=True) as tx:
            found = accounts.list_users(tx)
        return Users(items=[UserView.model_validate(one) for one in found])

    @router.post("", status_code=HTTPStatus.CREATED)
    def add_user(wanted: NewUser) -> UserView:
        """Add a user."""
        password, now = wanted.password.get_secret_value(), parts.clock()
        kept = passwords.hashed(password)
        user = accounts.UserAccount(wanted.name, kept, wanted.role, now, now)
        with parts.database.transaction() as tx:
            accounts.add(tx, user)
        return UserView.model_validate(user)

    @router.patch("/{name}", status_code=HTTPStatus.NO_CONTENT)
    def change_user(name: NamePath, wanted: UserChange) -> None:
        """Change a user's role, or password, which ends that user's sessions."""
        given = wanted.password
        kept = passwords.hashed(given.get_secret_value()) if given else None
        with parts.database.transaction() as tx:
            if wanted.role is not None:
                accounts.set_role(tx, name, wanted.role)
            if kept is not None:
                accounts.set_password(tx, name, kept, parts.clock())

    @router.delete("/{name}", status_code=HTTPStatus.NO_CONTENT)
    def remove_user(name: NamePath) -> None:
        """Remove a user, and end that user's sessions."""
        with parts.database.transaction() as tx:
            accounts.remove(tx, name)

    return router


def signed_in(parts: ApiParts) -> APIRouter:
    """Make the routes about sessions."""
    router = APIRouter(prefix="/api/v1/sessions", tags=["access"])

    @router.get("")
    def list_sessions() -> Sessions:
        """List who is signed in."""
        with parts.database.transaction(read_only=True) as tx:
            found = sessions.list_sessions(tx, parts.clock())
        return Sessions(items=[SessionView.model_validate(one) for one in found])

    @router.delete("/{name}")
    def end_sessions(name: NamePath) -> Ended:
        """End all sessions of a name."""
        with parts.database.transaction() as tx:
            return Ended(ended=sessions.end_all_of(tx, name))

    return router
