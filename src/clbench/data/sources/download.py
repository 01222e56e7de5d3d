"""A download that goes on where it broke off; pooch itself begins anew."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from clbench.disk import make_folder, require_room, writing_to
from clbench.errors import MissingEnvironment

CHUNK = 2**16
"""Bytes that are lost, at most, when a connection breaks."""
TIMEOUT = 60.0
"""Seconds without a byte after which a connection counts as broken."""
ATTEMPTS = 5
"""How often in a row it tries without getting a byte."""
PAUSE = 2.0
"""Seconds between attempts."""


class ResumingDownloader:
    """A downloader for pooch that keeps what it got in a file of its own and asks for the rest.

    Args:
        part: where it keeps what it got.
        advance: told how many bytes are there, and of how many.
    """

    def __init__(self, part: Path, advance: Callable[[int, int], None]) -> None:
        self.part, self.advance = part, advance

    def __call__(self, url: str, output_file: str | os.PathLike[str], pooch: Any, check_only: bool = False) -> None:
        """Download ``url``, then give the whole file to ``output_file``.

        Raises:
            MissingEnvironment: the server refuses, breaks off every time, or the disk is full.
        """
        import requests

        failures = 0
        while True:
            before = self._size()
            try:
                self._fetch(url)
                break
            except (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError) as error:
                failures = 0 if self._size() > before else failures + 1
                if failures >= ATTEMPTS:
                    raise self._broken(url, str(error)) from error
                time.sleep(PAUSE)
            except requests.RequestException as error:
                raise self._broken(url, str(error)) from error
        os.replace(self.part, output_file)

    def _size(self) -> int:
        return self.part.stat().st_size if self.part.exists() else 0

    def _fetch(self, url: str) -> None:
        """One request for what is missing.

        Raises:
            requests.RequestException: it broke off or was refused.
        """
        import requests

        have = self._size()
        headers = {"Range": f"bytes={have}-"} if have else {}
        headers["Accept-Encoding"] = "identity"
        with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT) as answer:
            if answer.status_code == requests.codes.requested_range_not_satisfiable:
                if self._total(answer) == have:
                    return
                self.part.unlink()
                raise requests.ConnectionError("what was kept is longer than the file")
            answer.raise_for_status()
            have = have if answer.status_code == requests.codes.partial_content else 0
            length = int(answer.headers.get("Content-Length") or 0)
            make_folder(self.part.parent)
            require_room(self.part.parent, length)
            self._store(answer, have, have + length)

    def _store(self, answer: Any, have: int, total: int) -> None:
        import requests

        with writing_to(self.part), open(self.part, "r+b" if have else "wb") as file:
            file.seek(have)
            for chunk in answer.iter_content(CHUNK):
                have += file.write(chunk)
                self.advance(have, max(total, have))
        if have < total:
            raise requests.ConnectionError(f"broke off after {have} of {total} bytes")

    @staticmethod
    def _total(answer: Any) -> int | None:
        """The file's size in a refusal's ``Content-Range: bytes */SIZE``."""
        size = answer.headers.get("Content-Range", "").rpartition("/")[2]
        return int(size) if size.isdigit() else None

    def _broken(self, url: str, reason: str) -> MissingEnvironment:
        kept = f"{self._size() / 1e6:.1f} MB are kept in {self.part}; the same command goes on from there"
        return MissingEnvironment(f"{url}: {reason}. {kept}")
