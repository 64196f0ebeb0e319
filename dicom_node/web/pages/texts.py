"""The words of the pages: ``texts/en.toml``, and what a site lays over it."""

import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

_ENGLISH = Path(__file__).with_name("texts") / "en.toml"


class TextsInvalid(Exception):
    """A site's words cannot be used; the message says why."""


class Texts:
    """Words by their key, such as ``today.title``.

    Parameters
    ----------
    words
        Key -> sentence; ``{name}`` stands for a value.
    """

    def __init__(self, words: Mapping[str, str]) -> None:
        self._words = words

    def __call__(self, key: str, **values: object) -> str:
        """Say a sentence with its values filled in."""
        return self._words[key].format(**values)

    def find(self, key: str) -> str:
        """Say a sentence; empty where the table has none for this key."""
        return self._words.get(key, "")

    @property
    def keys(self) -> frozenset[str]:
        """Every key."""
        return frozenset(self._words)


def load_texts(site: Path | None = None) -> Texts:
    """Read the words, a site's own first.

    Raises
    ------
    TextsInvalid
        The file cannot be read, has a key that no page uses, or other values in a
        sentence.
    """
    words = dict(_flat(_read(_ENGLISH)))
    if site is not None:
        for key, sentence in _flat(_read(site)):
            if key not in words:
                raise TextsInvalid(f"{site}: no page says {key}")
            if not _fits(sentence, words[key]):
                raise TextsInvalid(f"{site}: {key} has other values in {{}}")
            words[key] = sentence
    return Texts(words)


def _read(path: Path) -> Mapping[str, Any]:
    try:
        with path.open("rb") as file:
            return tomllib.load(file)
    except OSError as error:
        raise TextsInvalid(f"{path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise TextsInvalid(f"{path}: not valid TOML: {error}") from error


def _flat(table: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, str]]:
    for name, value in table.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{before}{name}.")
        else:
            yield f"{before}{name}", str(value)


class _Names(dict[str, str]):
    """Remembers what a sentence asks for."""

    def __missing__(self, name: str) -> str:
        self[name] = ""
        return ""


def _fits(sentence: str, english: str) -> bool:
    """Tell whether a sentence asks for nothing that the English one does not."""
    asked, known = _Names(), _Names()
    english.format_map(known)
    try:
        sentence.format_map(asked)
    except (ValueError, IndexError, KeyError, AttributeError):
        return False
    return set(asked) <= set(known)
