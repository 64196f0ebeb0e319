"""Looks words up that sites use, typing errors and lost letters included.

The words themselves are in ``vocabulary.toml``.
"""

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import resources

from dicom_node.dataset.film.letters import LOST, plain, tokens

_FAR = 99
_PREFIX = 5
"""Letters from which on a word also stands for all that begin with it."""
_TWO_ERRORS = 8
_LEAST_KNOWN = 3
"""Letters that must be left of a damaged word."""


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """Words for one thing.

    Parameters
    ----------
    exact
        Plain words; from five letters on also as beginnings of longer ones.
    anywhere
        Signs of scripts without blanks.
    within
        Parts of compounds.
    """

    exact: frozenset[str]
    anywhere: tuple[str, ...] = ()
    within: tuple[str, ...] = ()

    @classmethod
    def of(cls, table: Mapping[str, Iterable[str]]) -> "Vocabulary":
        """Read a table of the file: a list for each language."""
        special = {"anywhere", "within"}
        lists = (table[language] for language in table.keys() - special)
        return cls(
            exact=frozenset(word for words in lists for word in words),
            anywhere=tuple(plain(sign) for sign in table.get("anywhere", ())),
            within=tuple(table.get("within", ())),
        )

    def with_words(self, more: Iterable[str]) -> "Vocabulary":
        """Add a site's own words; of several in one the longest is taken."""
        own = frozenset(max(tokens(plain(text)), key=len, default="") for text in more)
        return Vocabulary(self.exact | (own - {""}), self.anywhere, self.within)

    def names(self, text: str) -> bool:
        """Tell whether a plain text holds one of the words, spelt right."""
        return any(sign in text for sign in self.anywhere) or any(
            self._has(token) for token in tokens(text)
        )

    def only(self, text: str) -> bool:
        """Tell whether a plain text holds nothing but these words, or no word."""
        for sign in self.anywhere:
            text = text.replace(sign, " ")
        return all(token in self.exact for token in tokens(text))

    def distance(self, token: str) -> int:
        """Count the letters by which a word differs from the nearest of these.

        Lost letters cost nothing. A large number where it differs by more than one,
        or by two of eight letters.
        """
        if self._has(token):
            return 0
        if len(token.replace(LOST, "")) < _LEAST_KNOWN:
            return _FAR
        ends = range(_PREFIX, len(token)) if LOST in token else ()
        readings = (token, *(token[:end] for end in ends))
        return min(
            (_difference(each, word) for each in readings for word in self.exact),
            default=_FAR,
        )

    def _has(self, token: str) -> bool:
        if token in self.exact or any(part in token for part in self.within):
            return True
        return any(token[:end] in self.exact for end in range(_PREFIX, len(token)))


def _difference(token: str, word: str) -> int:
    allowed = 0 if len(word) < _PREFIX else 1 if len(word) < _TWO_ERRORS else 2
    if abs(len(token) - len(word)) > allowed + token.count(LOST):
        return _FAR
    found = _edits(token, word)
    return found if found <= allowed else _FAR


def _edits(token: str, word: str) -> int:
    """Optimal string alignment; a lost letter stands for one or two of any kind."""
    before: list[int] = []
    row = list(range(len(word) + 1))
    for i, letter in enumerate(token, start=1):
        lost = letter == LOST
        next_row = [row[0] + (0 if lost else 1)]
        for j, other in enumerate(word, start=1):
            cost = row[j - 1] + (0 if lost or letter == other else 1)
            cost = min(cost, row[j] + (0 if lost else 1), next_row[j - 1] + 1)
            if lost and j > 1:
                cost = min(cost, row[j - 2])
            if i > 1 and j > 1 and letter == word[j - 2] and token[i - 2] == other:
                cost = min(cost, before[j - 2] + 1)
            next_row.append(cost)
        before, row = row, next_row
    return row[-1]


def _load() -> dict[str, Vocabulary]:
    file = resources.files("dicom_node.dataset.film") / "vocabulary.toml"
    tables = tomllib.loads(file.read_text(encoding="utf-8"))
    return {name: Vocabulary.of(table) for name, table in tables.items()}


_TABLES = _load()
CHEST, OTHER, NOTHING = _TABLES["chest"], _TABLES["other"], _TABLES["nothing"]
FRONTAL, LATERAL, OBLIQUE = (
    _TABLES["frontal"],
    _TABLES["lateral"],
    _TABLES["oblique"],
)
