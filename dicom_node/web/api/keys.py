"""``/api/v1/keys``: API keys of programs; a key is told once, when it is made."""

from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from dicom_node.web.api.parts import ApiParts
from dicom_node.web.api.result_views import View
from dicom_node.web.api.users import Name, NamePath, RoleName
from dicom_node.web.auth import tokens
from storage.access import api_keys

Lifetime = Annotated[int, Field(ge=1, le=3650)]


class KeyView(View):
    """An API key, without the key."""

    name: str
    role: str = Field(description="viewer, operator or admin")
    created_at: datetime
    expires_at: datetime | None = Field(description="null: until it is revoked")
    used_at: datetime | None = Field(description="when last, to the minute")


class NewKey(BaseModel):
    """A key to make."""

    model_config = ConfigDict(extra="forbid")

    name: Name
    role: RoleName = "viewer"
    days: Lifetime | None = Field(None, description="how long it is good for")


class KeyMade(KeyView):
    """An API key with the key itself, which is told this once."""

    key: str


class Keys(BaseModel):
    """All keys, by name."""

    items: list[KeyView]


def keys(parts: ApiParts) -> APIRouter:
    """Make the routes."""
    router = APIRouter(prefix="/api/v1/keys", tags=["access"])

    @router.get("")
    def list_keys() -> Keys:
        """List the keys, those whose time is over too."""
        with parts.database.transaction(read_only=True) as tx:
            found = api_keys.list_keys(tx)
        return Keys(items=[KeyView.model_validate(one) for one in found])

    @router.post("", status_code=HTTPStatus.CREATED)
    def add_key(wanted: NewKey) -> KeyMade:
        """Make a key."""
        secret, now = tokens.new_key(), parts.clock()
        ends = now + timedelta(days=wanted.days) if wanted.days else None
        key = api_keys.ApiKey(
            wanted.name, tokens.digest(secret), wanted.role, now, ends
        )
        with parts.database.transaction() as tx:
            api_keys.add(tx, key)
        shown = KeyView.model_validate(key).model_dump()
        return KeyMade(**shown, key=secret)

    @router.delete("/{name}", status_code=HTTPStatus.NO_CONTENT)
    def revoke_key(name: NamePath) -> None:
        """Remove a key; the next request with it is refused."""
        with parts.database.transaction() as tx:
            api_keys.revoke(tx, name)

    return router
