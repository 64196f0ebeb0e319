"""Which representation a client wants (DICOM PS3.18 8.7; RFC 9110 12.5.1)."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus

from fastapi import Request
from starlette.exceptions import HTTPException

MULTIPART = "multipart/related"
DICOM = "application/dicom"
DICOM_JSON = "application/dicom+json"
DICOM_XML = "application/dicom+xml"
OCTETS = "application/octet-stream"
_MOST_RANGES = 64
_PART = re.compile(r'"(?:[^"\\]|\\.)*"|[^",;]+|[,;]')


@dataclass(frozen=True, slots=True)
class MediaRange:
    """One alternative that a client takes.

    Parameters
    ----------
    media_type
        In small letters, with wildcards: ``image/*``.
    parameters
        Names in small letters, without ``q``.
    quality
        From 1 to more than 0; more is dearer.
    """

    media_type: str
    parameters: Mapping[str, str]
    quality: float

    @property
    def of(self) -> str:
        """The type of what is sent: that of the parts where there are several."""
        if self.is_multipart:
            return self.parameters.get("type", "*/*").lower()
        return self.media_type

    @property
    def is_multipart(self) -> bool:
        """Whether parts are wanted, and not a single one."""
        return self.media_type == MULTIPART

    @property
    def transfer_syntax(self) -> str | None:
        """The UID that is asked for, or ``*``."""
        return self.parameters.get("transfer-syntax")

    def takes(self, media_type: str) -> bool:
        """Tell whether a type is within the range."""
        kind = media_type.partition("/")[0]
        return self.of in {media_type, f"{kind}/*", "*/*"}


def ranges(request: Request) -> list[MediaRange]:
    """List what a client takes, dearest first.

    The ``accept`` query parameter goes before the header, since whoever writes a link
    cannot write headers (PS3.18 8.3.3.1). Nothing at all is anything.

    Raises
    ------
    HTTPException
        400, for what is no list of media types.
    """
    asked = request.query_params.get("accept")
    texts = [asked] if asked else request.headers.getlist("accept")
    found = list(_ranges(",".join(texts))) or [MediaRange("*/*", {}, 1.0)]
    return sorted(found, key=lambda one: -one.quality)


def parse(media_type: str) -> tuple[str, Mapping[str, str]]:
    """Split a media type into its name and its parameters.

    Raises
    ------
    HTTPException
        400, for what is none.
    """
    pieces = _split(media_type)
    if len(pieces) != 1:
        raise _refused()
    return _parsed(pieces[0])


def preferred(request: Request, offers: Sequence[str]) -> str:
    """Choose among single media types, most welcome first.

    Raises
    ------
    HTTPException
        406, where none will do.
    """
    for wanted in ranges(request):
        for offer in offers:
            if wanted.takes(offer):
                return offer
    raise not_acceptable(offers)


def not_acceptable(offers: Sequence[str]) -> HTTPException:
    """Make the refusal that says what there would be."""
    return HTTPException(HTTPStatus.NOT_ACCEPTABLE, f"Offered are {', '.join(offers)}.")


def _ranges(text: str) -> Iterator[MediaRange]:
    for piece in _split(text):
        media_type, parameters = _parsed(piece)
        quality = _quality(parameters.get("q", "1"))
        if quality > 0:
            others = {name: one for name, one in parameters.items() if name != "q"}
            yield MediaRange(media_type, others, quality)


def _split(text: str) -> list[list[str]]:
    """Split at commas, then at semicolons; not within quotation marks."""
    pieces: list[list[str]] = [[""]]
    for piece in _PART.findall(text):
        if piece == ",":
            pieces.append([""])
        elif piece == ";":
            pieces[-1].append("")
        else:
            pieces[-1][-1] += piece
    found = [piece for piece in pieces if any(part.strip() for part in piece)]
    if len(found) > _MOST_RANGES:
        raise _refused()
    return found


def _parsed(piece: list[str]) -> tuple[str, dict[str, str]]:
    media_type = piece[0].strip().lower()
    if media_type.count("/") != 1:
        raise _refused()
    parameters = {}
    for part in piece[1:]:
        name, _, given = part.partition("=")
        given = given.strip()
        if given[:1] == given[-1:] == '"' and len(given) > 1:
            given = re.sub(r"\\(.)", r"\1", given[1:-1])
        if name.strip():
            parameters[name.strip().lower()] = given
    return media_type, parameters


def _quality(text: str) -> float:
    try:
        return min(max(float(text), 0.0), 1.0)
    except ValueError as error:
        raise _refused() from error


def _refused() -> HTTPException:
    return HTTPException(HTTPStatus.BAD_REQUEST, "A media type is malformed.")
