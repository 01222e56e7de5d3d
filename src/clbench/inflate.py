"""Compressed bytes unpacked up to a limit, so that a small file can't fill the memory."""

from __future__ import annotations

import gzip
import io
import zlib

CHUNK = 2**24


def inflated(data: bytes, most: int) -> bytes:
    """What a gzip file holds; read to its end, so that its own checksum is compared.

    Args:
        data: the file's bytes.
        most: bytes that it may unpack to.

    Raises:
        ValueError: it is no whole gzip file, or unpacks to more.
    """
    parts, size = [], 0
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(data)) as file:
            while part := file.read(CHUNK):
                parts.append(part)
                size += len(part)
                if size > most:
                    raise ValueError(f"it unpacks to more than {most / 2**30:g} GiB, the most that is read")
    except (EOFError, OSError, zlib.error) as error:
        raise ValueError(str(error)) from error
    return b"".join(parts)
