"""Every key with the value that counts and where it comes from, for people to read."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, SecretStr

from dicom_node.node.settings.load import Settings, environment, secret_files

MASKED = "********"


class ValueOrigin(StrEnum):
    """Where a value comes from."""

    DEFAULT = "default"
    GIVEN = "file or command line"
    SECRET_FILE = "secret file"  # noqa: S105  no secret: where one stands
    ENVIRONMENT = "environment"


@dataclass(frozen=True, slots=True)
class EffectiveKey:
    """One key.

    Parameters
    ----------
    value
        As text; a secret is masked.
    """

    key: str
    value: str
    origin: ValueOrigin


def effective(settings: Settings) -> tuple[EffectiveKey, ...]:
    """List every key of a configuration."""
    strong = (
        (ValueOrigin.ENVIRONMENT, environment(type(settings))),
        (ValueOrigin.SECRET_FILE, secret_files(type(settings))),
    )
    return tuple(_keys(settings, (), strong, is_given=True))


_Strong = Sequence[tuple[ValueOrigin, Mapping[str, Any]]]


def _keys(
    table: BaseModel, place: tuple[str, ...], strong: _Strong, *, is_given: bool
) -> Iterator[EffectiveKey]:
    for name in type(table).model_fields:
        value, here = getattr(table, name), (*place, name)
        given = is_given and name in table.model_fields_set
        if isinstance(value, BaseModel):
            yield from _keys(value, here, strong, is_given=given)
        elif _is_tables(value):
            for number, one in enumerate(value):
                below = (*here, str(number))
                yield from _keys(one, below, strong, is_given=given)
        else:
            origin = ValueOrigin.GIVEN if given else ValueOrigin.DEFAULT
            found = next((one for one, tree in strong if _has(tree, here)), origin)
            yield EffectiveKey(".".join(here), _text(value), found)


def _is_tables(value: object) -> bool:
    return (
        isinstance(value, tuple)
        and bool(value)
        and all(isinstance(one, BaseModel) for one in value)
    )


def _has(tree: Any, place: Sequence[str]) -> bool:
    """Tell whether a source names a key, or a list that it is in."""
    for part in place:
        if not isinstance(tree, Mapping):
            return True
        if part not in tree:
            return False
        tree = tree[part]
    return True


def _text(value: object) -> str:
    if isinstance(value, SecretStr):
        return MASKED if value.get_secret_value() else '""'
    if isinstance(value, bool):
        return str(value).lower()
    if value is None:
        return "—"
    if isinstance(value, Mapping):
        return ", ".join(f"{key}: {_text(one)}" for key, one in value.items()) or "{}"
    if isinstance(value, list | tuple | set | frozenset):
        return f"[{', '.join(map(_text, value))}]"
    return str(value) or '""'
