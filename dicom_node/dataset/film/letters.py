"""Words of a header as letters that can be compared, whatever happened to them.

Code strings are ASCII by the standard (PS3.5 6.2), so sites that write their own
language lose letters: accents are dropped, UTF-8 is read as Latin-1, a letter that a
gateway could not write becomes a question mark. Here all of that looks alike.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence

from pydicom.dataset import Dataset
from pydicom.multival import MultiValue

from dicom_node.dataset.attributes import value
from dicom_node.dataset.character_sets import decode, python_codecs
from dicom_node.dataset.quiet import MALFORMED

LOST = "?"
"""Stands for one or more letters that got lost on the way."""

_MOST_LETTERS = 256
# Letters that have no accent to drop.
_PLAIN = str.maketrans(
    {
        "\N{LATIN CAPITAL LETTER L WITH STROKE}": "L",
        "\N{LATIN CAPITAL LETTER D WITH STROKE}": "D",
        "\N{LATIN CAPITAL LETTER ETH}": "D",
        "\N{LATIN CAPITAL LETTER O WITH STROKE}": "O",
        "\N{LATIN CAPITAL LETTER AE}": "AE",
        "\N{LATIN CAPITAL LIGATURE OE}": "OE",
        "\N{LATIN CAPITAL LETTER SCHWA}": "E",
        "\N{LATIN SMALL LETTER DOTLESS I}": "I",
        "\N{REPLACEMENT CHARACTER}": LOST,
        "\N{INVERTED QUESTION MARK}": LOST,
    }
)
# Character sets that a code string has no way to name, the frequent ones first.
_FOREIGN = (
    *("cp1251", "cp1253", "cp1255", "cp1256", "iso8859_5", "koi8_r"),
    *("gb18030", "shift_jis", "euc_kr", "euc_jp", "big5"),
)
_TOKEN = re.compile(r"[^\W\d_]+(?:\?+[^\W\d_]+)*\??|\?+[^\W\d_]+(?:\?+[^\W\d_]+)*\??")


def words(dataset: Dataset, keywords: Iterable[str]) -> tuple[str, ...]:
    """Return attributes' texts, each in every reading that its bytes may have.

    Returns
    -------
        Plain texts (see ``plain``); one for a value that is plain ASCII.
    """
    codecs = python_codecs(dataset)
    found: dict[str, None] = {}
    for keyword in keywords:
        for text in _texts(dataset, keyword):
            found.update((plain(reading), None) for reading in _readings(text, codecs))
    return tuple(reading for reading in found if reading)


def tokens(text: str) -> tuple[str, ...]:
    """Split a plain text into its words, lost letters included."""
    return tuple(re.sub(r"\?+", LOST, part) for part in _TOKEN.findall(text))


def plain(text: str) -> str:
    """Put into upper case without accents and width; what got lost becomes ``?``."""
    text = text[:_MOST_LETTERS].translate(_PLAIN).upper().translate(_PLAIN)
    decomposed = unicodedata.normalize("NFKD", text)
    kept = "".join(letter for letter in decomposed if not unicodedata.combining(letter))
    return " ".join(unicodedata.normalize("NFC", kept).upper().split())


def _texts(dataset: Dataset, keyword: str) -> Iterator[str]:
    found = value(dataset, keyword)
    try:
        for part in _parts(found):
            if isinstance(part, bytes):
                yield part[:_MOST_LETTERS].decode("latin-1").strip(" \0")
            elif part is not None:
                yield str(part).strip(" \0\t\r\n")
    except MALFORMED:
        return


def _parts(found: object) -> Sequence[object]:
    if isinstance(found, MultiValue | list | tuple):
        return list(found)
    return (found,)


def _readings(text: str, codecs: Sequence[str]) -> Iterator[str]:
    """Yield a text as it was read, and as what its bytes may have meant."""
    yield text
    if text.isascii():
        return
    latin = any(letter.isascii() and letter.isalpha() for letter in text)
    for raw in _bytes_of(text):
        yield decode(raw, codecs)
        yield from _decoded(raw, ("utf-8",) if latin else ("utf-8", *_FOREIGN))


def _bytes_of(text: str) -> Iterator[bytes]:
    """Undo that bytes were taken for Western letters, once or twice."""
    for codec in ("latin-1", "cp1252"):
        try:
            raw = text.encode(codec)
        except UnicodeEncodeError:
            continue
        yield raw
        for inner in _decoded(raw, ("utf-8",)):
            if all(ord(letter) <= 0xFF for letter in inner):  # noqa: PLR2004  Latin-1
                yield inner.encode("latin-1")


def _decoded(raw: bytes, codecs: Iterable[str]) -> Iterator[str]:
    for codec in codecs:
        try:
            yield raw.decode(codec)
        except UnicodeDecodeError:
            continue
