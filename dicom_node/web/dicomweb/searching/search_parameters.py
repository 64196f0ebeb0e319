"""The query of a search -> what is looked for, and what is answered.

DICOM PS3.18 8.3.4: keys by keyword or tag, ``includefield``, ``fuzzymatching``,
``limit`` and ``offset``. A value is a patient's: no refusal repeats one.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from fastapi import Request
from pydicom.datadict import keyword_for_tag, tag_for_keyword

from dicom_node.web.dicomweb.resources import refused
from storage.catalog.matching import matching_of
from storage.catalog.query import Key, Query, attribute_of, is_matched
from storage.errors import QueryInvalid
from storage.held import Level

ALL = "all"
NOT_FUZZY = (
    "The fuzzymatching parameter is not supported."
    " Only literal matching has been performed."
)
_TAG = re.compile(r"[0-9A-Fa-f]{8}")
_MOST_OFFSET = 2**31
_CONTROL = frozenset({"limit", "offset", "fuzzymatching", "includefield", "accept"})


@dataclass(frozen=True, slots=True)
class Search:
    """What a search asks for.

    Parameters
    ----------
    query
        Conditions and page.
    fields
        Tags that are answered beside those that always are.
    everything
        Whether all that is known is answered.
    warnings
        What is not done that was asked for.
    """

    query: Query
    fields: frozenset[str]
    everything: bool
    warnings: tuple[str, ...]


def search_of(request: Request, level: Level, most: int) -> Search:
    """Read the query of a request.

    Parameters
    ----------
    level
        What is searched for.
    most
        Answers that are given at once.

    Raises
    ------
    HTTPException
        400, with the name of the parameter that is wrong.
    """
    given: dict[str, list[str]] = {}
    keys: list[Key] = []
    fields: set[str] = set()
    ignored: list[str] = []
    for name, text in request.query_params.multi_items():
        if name in _CONTROL:
            given.setdefault(name, []).append(text)
            continue
        path = _path(name)
        fields.add(_tag(path[0]))
        if is_matched(level, path):
            keys += _key(name, path, text)
        elif text:
            ignored.append(".".join(path))
    included = list(_included(given.get("includefield", ())))
    asked = _number(given, "limit", most)
    query = Query(level, tuple(keys), min(asked, most), _number(given, "offset", 0))
    return Search(
        query,
        frozenset(fields | {_tag(keyword) for keyword in included if keyword != ALL}),
        ALL in included,
        tuple(_warnings(given, ignored)),
    )


def _warnings(given: dict[str, list[str]], ignored: list[str]) -> Iterable[str]:
    fuzzy = given.get("fuzzymatching", ["false"])[-1].lower()
    if fuzzy not in {"true", "false"}:
        raise refused("fuzzymatching is true or false")
    if fuzzy == "true":
        yield NOT_FUZZY
    if ignored:
        names = ", ".join(dict.fromkeys(ignored))
        yield f"These attributes are not matched: {names}."


def _key(name: str, path: tuple[str, ...], text: str) -> list[Key]:
    attribute = attribute_of(path)
    if attribute is None:
        return []
    try:
        matching = matching_of(attribute.kind, text)
    except QueryInvalid as error:
        raise refused(f"{name}: {error}") from error
    return [] if matching is None else [Key(path, matching)]


def _included(texts: Iterable[str]) -> Iterable[str]:
    for text in texts:
        for name in filter(None, (part.strip() for part in text.split(","))):
            yield ALL if name.lower() == ALL else _path(name)[0]


def _path(name: str) -> tuple[str, ...]:
    """Name an attribute, and those on the way to it, by keyword."""
    parts = name.split(".")
    keywords = tuple(_keyword(part) for part in parts)
    if not all(keywords):
        raise refused(f"{name[:64]!r} is no attribute")
    return keywords


def _keyword(part: str) -> str:
    if _TAG.fullmatch(part):
        return keyword_for_tag(int(part, 16)) or part.upper()
    return part if tag_for_keyword(part) is not None else ""


def _tag(keyword: str) -> str:
    tag = tag_for_keyword(keyword)
    return keyword if tag is None else f"{tag:08X}"


def _number(given: dict[str, list[str]], name: str, otherwise: int) -> int:
    text = given.get(name, [str(otherwise)])[-1]
    if not (text.isascii() and text.isdecimal() and int(text[:12]) < _MOST_OFFSET):
        raise refused(f"{name} is a number from 0")
    return int(text)
