"""Where a header's bytes come from: a file as it lies there, or a deflated one.

Read forwards only and no further than allowed, so that a deflate bomb costs neither
memory nor time (PS3.5 A.5).
"""

import zlib
from typing import BinaryIO, Protocol

from dicom_node.errors import DatasetInvalid

_CHUNK_BYTES = 64 * 1024


class ByteSource(Protocol):
    """Bytes that are only ever read forwards."""

    def take(self, count: int) -> bytes:
        """Read up to ``count`` bytes."""
        ...

    def skip(self, count: int) -> bool:
        """Pass over bytes; false when they are not all there."""
        ...

    def allow(self, count: int) -> None:
        """Let so many bytes more be read than was said at first."""
        ...


class PlainBytes:
    """The bytes as they lie in a file."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        start = stream.tell()
        self._end = stream.seek(0, 2)
        stream.seek(start)

    def take(self, count: int) -> bytes:
        """Read up to ``count`` bytes."""
        return self._stream.read(count)

    def skip(self, count: int) -> bool:
        """Pass over bytes without reading them."""
        here = self._stream.tell()
        if count > self._end - here:
            return False
        self._stream.seek(count, 1)
        return True

    def allow(self, count: int) -> None:
        """Do nothing: the file is as long as it is."""


class InflatedBytes:
    """Bytes inflated as they are asked for, and no more than allowed."""

    def __init__(self, stream: BinaryIO, limit_bytes: int) -> None:
        self._stream = stream
        self._left_bytes = limit_bytes
        self._inflater = zlib.decompressobj(-zlib.MAX_WBITS)
        self._compressed = b""

    def take(self, count: int) -> bytes:
        """Inflate up to ``count`` bytes."""
        data = bytearray()
        while len(data) < count and (piece := self._inflate(count - len(data))):
            data += piece
        return bytes(data)

    def skip(self, count: int) -> bool:
        """Inflate bytes into nothing."""
        while count:
            passed = len(self.take(min(count, _CHUNK_BYTES)))
            if not passed:
                return False
            count -= passed
        return True

    def allow(self, count: int) -> None:
        """Let so many bytes more be inflated."""
        self._left_bytes += count

    def _inflate(self, count: int) -> bytes:
        piece = b""
        while not piece and not self._inflater.eof:
            if not self._compressed:
                self._compressed = self._stream.read(_CHUNK_BYTES)
                if not self._compressed:
                    break
            try:
                piece = self._inflater.decompress(self._compressed, count)
            except zlib.error as error:
                raise DatasetInvalid("the data set does not inflate") from error
            self._compressed = self._inflater.unconsumed_tail
        self._left_bytes -= len(piece)
        if self._left_bytes < 0:
            raise DatasetInvalid("the data set inflates beyond the limit")
        return piece
