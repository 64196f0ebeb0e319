"""The kinds of matching, from what is asked to a condition (DICOM PS3.4 C.2.2.2)."""

import re
import sys
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Boolean, ColumnElement, and_, literal
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from storage.errors import QueryInvalid
from storage.held import Kind

_UID = re.compile(r"[0-9]+(\.[0-9]+)*")
_UID_LENGTH = 64
_MOST_UIDS = 1000
_LONGEST = 1024
_DATE = re.compile(r"[0-9]{8}")
_TIME = re.compile(r"([0-9]{2}){1,3}(\.[0-9]{1,6})?")
_WHOLE_TIME = 13  # HHMMSS.FFFFFF
_INTEGER = re.compile(r"[+-]?[0-9]{1,12}")
_FIRST_SURROGATE, _BEHIND_SURROGATES = 0xD800, 0xE000
_WILDCARDS = re.compile(r"[*?]")


@dataclass(frozen=True, slots=True)
class Exact:
    """One of these values, and no other (C.2.2.2.1, C.2.2.2.2)."""

    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Wildcard:
    """``*`` stands for any letters, ``?`` for one (C.2.2.2.4)."""

    pattern: str


@dataclass(frozen=True, slots=True)
class Range:
    """From the first to the last, both included; ``None`` is open (C.2.2.2.5)."""

    first: str | None
    last: str | None


Matching = Exact | Wildcard | Range


def matching_of(kind: Kind, asked: str) -> Matching | None:
    r"""Read what is asked.

    Parameters
    ----------
    kind
        Of the attribute.
    asked
        The value of the key; several UIDs stand between commas or backslashes.

    Returns
    -------
        ``None`` for an empty value, which matches everything (C.2.2.2.3).

    Raises
    ------
    QueryInvalid
        No such value can be.
    """
    asked = asked.replace("\0", "").strip()
    if len(asked) > _LONGEST and kind is not Kind.UID:
        raise QueryInvalid("a value to match is too long")
    if not asked or not asked.strip("*"):
        return None
    if kind is Kind.UID:
        return Exact(_uids(asked))
    if kind in {Kind.DATE, Kind.TIME}:
        return _moments(kind, asked)
    if kind is Kind.NUMBER:
        if not _INTEGER.fullmatch(asked):
            raise QueryInvalid("a number to match is none")
        return Exact((str(int(asked)),))
    return _words(kind, asked)


def folded(name: str) -> str:
    """Bring a person's name into the form in which names are compared.

    Upper and lower case are the same, and so are empty parts at the end.
    """
    forms = [form.rstrip("^ ").casefold().strip() for form in name.split("=")]
    return "=".join(forms).rstrip("=")


def time_digits(time: str, *, last: bool = False) -> str:
    """Write a time out to the microsecond; what is not said is the first, or last."""
    whole, _, fraction = time.partition(".")
    filled = "595959" if last else "000000"
    whole += filled[len(whole) :]
    return f"{whole}.{fraction:{'9' if last and not fraction else '0'}<6}"


def prefix_of(pattern: str) -> str:
    """Take what stands before the first wildcard."""
    return _WILDCARDS.split(pattern, maxsplit=1)[0]


def condition(
    column: ColumnElement[str], matching: Matching, *, indexed: bool
) -> ColumnElement[bool]:
    """Make the condition that a column matches.

    Parameters
    ----------
    indexed
        Whether the database may look it up in an index.
    """
    if not indexed:
        column = column.op("||")("")
    filled = column != literal("")
    if isinstance(matching, Exact):
        values = matching.values
        same = column == values[0] if len(values) == 1 else column.in_(values)
        return and_(same, filled)
    if isinstance(matching, Wildcard):
        return and_(*_like(column, matching.pattern), filled)
    bounds: list[ColumnElement[bool]] = []
    if matching.first is not None:
        bounds.append(column >= matching.first)
    if matching.last is not None:
        bounds.append(column <= matching.last)
    return and_(*bounds, filled)


def _uids(asked: str) -> tuple[str, ...]:
    uids = tuple(uid.strip() for uid in re.split(r"[,\\]", asked) if uid.strip())
    if not uids or len(uids) > _MOST_UIDS:
        raise QueryInvalid(f"a list of UIDs has 1 to {_MOST_UIDS}")
    if not all(len(uid) <= _UID_LENGTH and _UID.fullmatch(uid) for uid in uids):
        raise QueryInvalid("a UID to match is none")
    return tuple(dict.fromkeys(uids))


def _words(kind: Kind, asked: str) -> Matching:
    if kind is Kind.NAME:
        # a trailing wildcard stands for the parts that follow as well
        asked = asked.casefold() if asked.endswith("*") else folded(asked)
    if _WILDCARDS.search(asked):
        return Wildcard(asked)
    return Exact(tuple(dict.fromkeys(part.strip() for part in asked.split("\\"))))


def _moments(kind: Kind, asked: str) -> Matching:
    first, dash, last = (part.strip() for part in asked.partition("-"))
    for moment in filter(None, (first, last)):
        _check(kind, moment)
    if not first and not last:
        raise QueryInvalid("a range has a beginning or an end")
    if kind is Kind.TIME:
        lower = time_digits(_plain(first)) if first else None
        upper = _plain(last if dash else first)
        until = time_digits(upper, last=True) if upper else None
        return Range(lower, until)
    if not dash:
        return Exact((_plain(first),))
    return Range(_plain(first) or None, _plain(last) or None)


def _check(kind: Kind, moment: str) -> None:
    form = _DATE if kind is Kind.DATE else _TIME
    if not form.fullmatch(_plain(moment)):
        raise QueryInvalid(f"a {kind.name.lower()} to match is none")


def _plain(moment: str) -> str:
    """Take out the punctuation of old (PS3.5 6.2, DA and TM)."""
    if moment.count(".") > 1:
        moment = moment.replace(".", "")
    return moment.replace(":", "")


def _like(column: ColumnElement[str], pattern: str) -> list[ColumnElement[bool]]:
    """Match wildcards; what stands before the first is a range of the index."""
    conditions: list[ColumnElement[bool]] = []
    prefix = prefix_of(pattern)
    if prefix:
        conditions += [column >= prefix, column < _after(prefix)]
    if pattern != f"{prefix}*":
        conditions.append(_pattern(column, pattern))
    return conditions


def _after(prefix: str) -> str:
    """Give the least text that is greater than all that begin so."""
    following = ord(prefix[-1]) + 1
    if following == _FIRST_SURROGATE:
        following = _BEHIND_SURROGATES
    return prefix[:-1] + chr(min(following, sys.maxunicode))


class _Like(FunctionElement[bool]):
    """Wildcards with regard to case: a column, and the pattern in both dialects."""

    type = Boolean()
    inherit_cache = True


@compiles(_Like, "sqlite")
def _glob(element: _Like, compiler: SQLCompiler, **options: Any) -> str:
    column, glob, _ = element.clauses
    return (
        f"({compiler.process(column, **options)} GLOB"
        f" {compiler.process(glob, **options)})"
    )


@compiles(_Like)
def _like_escaped(element: _Like, compiler: SQLCompiler, **options: Any) -> str:
    column, _, like = element.clauses
    return (
        f"({compiler.process(column, **options)} LIKE"
        f" {compiler.process(like, **options)} ESCAPE '~')"
    )


def _pattern(column: ColumnElement[str], pattern: str) -> ColumnElement[bool]:
    glob = pattern.replace("[", "[[]")
    like = re.sub(r"([%_~])", r"~\1", pattern).replace("*", "%").replace("?", "_")
    return _Like(column, literal(glob), literal(like))
