"""Compressed bytes unpacked up to a limit, so that a small file can't fill the memory."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

PART = 2**22
"""Bytes that are unpacked at once: few enough for a processor's cache."""
SHORTEST = 18
"""Bytes of a gzip file: its header and its end."""
MAGIC = b"\x1f\x8b"


def inflated(data: bytes, most: int) -> bytes:
    """What a gzip file holds; read to its end, so that its own checksum is compared.

    Args:
        data: the file's bytes.
        most: bytes that it may unpack to.

    Raises:
        ValueError: it is no whole gzip file, or unpacks to more.
    """
    return b"".join(inflating(data, most))


def gzip_end(data: bytes) -> tuple[int, int]:
    """The checksum of what a gzip file holds and its length modulo 2³², as a whole file of one stream ends with."""
    crc, length = struct.unpack("<II", data[-8:]) if len(data) >= SHORTEST else (0, 0)
    return crc, length


def inflating(data: bytes, most: int) -> Iterator[bytes]:
    """What a gzip file holds, part by part; its checksum is compared before the last part ends the iteration.

    Args:
        data: the file's bytes, of one gzip stream or of several one after another.
        most: bytes that it may unpack to.

    Raises:
        ValueError: it is no whole gzip file, or unpacks to more.
    """
    size, rest = 0, memoryview(data)
    while True:
        if rest[:2] != MAGIC:
            raise ValueError(f"Not a gzipped file ({bytes(rest[:2])!r})")
        stream = zlib.decompressobj(16 + zlib.MAX_WBITS)
        while not stream.eof:
            for part in _parts(stream, rest[:PART]):
                size += len(part)
                if size > most:
                    raise ValueError(f"it unpacks to more than {most / 2**30:g} GiB, the most that is read")
                yield part
            rest = rest[PART:]
        rest = memoryview((stream.unused_data + bytes(rest)).lstrip(b"\0"))  # a stream may be padded
        if not rest:
            return


def _parts(stream: zlib._Decompress, packed: memoryview) -> Iterator[bytes]:
    """What some bytes of a gzip stream unpack to.

    Raises:
        ValueError: it is damaged, or there are no bytes where the stream goes on.
    """
    if not packed:
        raise ValueError("Compressed file ended before the end-of-stream marker was reached")
    try:
        while packed:
            yield stream.decompress(packed, PART)
            packed = memoryview(stream.unconsumed_tail)
    except zlib.error as error:
        raise ValueError(str(error)) from error
