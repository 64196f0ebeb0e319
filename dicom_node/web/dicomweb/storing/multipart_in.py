"""Parts on their way in: ``multipart/related``, taken apart as it arrives.

RFC 2387 and RFC 2046 5.1; the boundary is found by python-multipart's parser
(docs/decisions/0008). What a part is for is for others to say.
"""

from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Protocol

from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import MultipartParser
from starlette.exceptions import HTTPException

from dicom_node.web.dicomweb.resources import refused

_MOST_HEADERS = 16
_LONGEST_HEADER = 8192
_LONGEST_BOUNDARY = 256  # RFC 2046 5.1.1 says 70; Orthanc has 73


class PartSink(Protocol):
    """Takes parts, one after the other."""

    def begin(self, headers: Mapping[str, str]) -> None:
        """Begin a part; names of headers are in small letters."""
        ...

    def data(self, piece: memoryview) -> None:
        """Take a piece of the part."""
        ...

    def end(self) -> None:
        """End the part."""
        ...


class PartReader:
    """Takes a body apart.

    Parameters
    ----------
    boundary
        As the Content-Type says.
    sink
        Who gets the parts.
    most_parts, most_bytes
        Of the body.

    Raises
    ------
    HTTPException
        400 without a usable boundary.
    """

    def __init__(
        self, boundary: str, sink: PartSink, *, most_parts: int, most_bytes: int
    ) -> None:
        if not 0 < len(boundary) <= _LONGEST_BOUNDARY or not boundary.isascii():
            raise refused("multipart/related needs a boundary")
        self._sink = sink
        self._left_parts, self._left_bytes = most_parts, most_bytes
        self._headers: dict[str, str] = {}
        self._name, self._value = bytearray(), bytearray()
        self._is_open = self._is_complete = False
        self._parser = MultipartParser(
            boundary.encode(),
            {
                "on_part_begin": self._begin,
                "on_part_data": self._data,
                "on_part_end": self._end,
                "on_header_field": self._field,
                "on_header_value": self._field_value,
                "on_header_end": self._field_end,
                "on_headers_finished": self._headers_end,
                "on_end": self._complete,
            },
            max_header_count=_MOST_HEADERS,
            max_header_size=_LONGEST_HEADER,
        )

    def read(self, body: Iterable[bytes]) -> None:
        """Read a whole body.

        Raises
        ------
        HTTPException
            400 where it is malformed or has no end, 413 where it is too long.
        """
        try:
            for piece in body:
                self._left_bytes -= len(piece)
                if self._left_bytes < 0:
                    raise _too_large("The body is longer than this node accepts.")
                if not self._is_complete:  # what follows the end is nobody's
                    self._parser.write(piece)
        except MultipartParseError as error:
            raise refused("The multipart body is malformed") from error
        if not self._is_complete:
            raise refused("The multipart body has no final boundary")

    def _begin(self) -> None:
        self._left_parts -= 1
        if self._left_parts < 0:
            raise _too_large("The body has more parts than this node accepts.")
        self._headers = {}

    def _field(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]

    def _field_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _field_end(self) -> None:
        name = self._name.decode("latin-1").strip().lower()
        self._headers[name] = self._value.decode("latin-1").strip()
        self._name.clear()
        self._value.clear()

    def _headers_end(self) -> None:
        self._is_open = True
        self._sink.begin(self._headers)

    def _data(self, data: bytes, start: int, end: int) -> None:
        self._sink.data(memoryview(data)[start:end])

    def _end(self) -> None:
        if self._is_open:
            self._is_open = False
            self._sink.end()

    def _complete(self) -> None:
        self._is_complete = True


def _too_large(sentence: str) -> HTTPException:
    return HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, sentence)
