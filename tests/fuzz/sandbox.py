"""One input read by one reader, and what must not come of it."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
import traceback
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

from clbench.errors import ClbenchError

SECONDS = 2.0
"""What reading one input may take; processor time, so that other programs don't count."""
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
CHANGES = ("os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.link", "os.symlink", "os.truncate", "os.chmod")
PROGRAMS = ("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.fork", "socket.connect")


def memory_folder() -> str | None:
    """Where files cost nothing, if there is such a place."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


@dataclass
class Sandbox:
    """The folder that inputs are read in; what readers do outside of it is noted.

    Attributes:
        folder: emptied before each input.
        trespasses: files changed elsewhere and programs started, since the last input began.
    """

    folder: Path = field(default_factory=lambda: Path(tempfile.mkdtemp(prefix="clbench-fuzz-", dir=memory_folder())))
    trespasses: list[str] = field(default_factory=list)
    _watching: bool = False

    def __post_init__(self) -> None:
        """Watch from now on; Python can't take an audit hook back."""
        sys.addaudithook(self._watch)

    def complaint(self, reader: ModuleType, data: bytes) -> str | None:
        """What is wrong with how a reader takes an input, in one line that names it; None if nothing is."""
        self.fresh()
        self._watching, start = True, time.process_time()
        try:
            reader.read(data, self.folder)
        except ClbenchError:
            pass
        except Exception as error:
            return f"{type(error).__name__} in {_place(error)}: {str(error)[:200]!r}"
        finally:
            self._watching = False
        seconds = time.process_time() - start
        if self.trespasses:
            return f"trespass: {self.trespasses[0]}"
        return f"slow: {seconds:.1f} s" if seconds > SECONDS else None

    def close(self) -> None:
        """Delete the folder."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def fresh(self) -> Path:
        """The folder, with nothing in it."""
        self.trespasses.clear()
        for entry in os.scandir(self.folder):
            shutil.rmtree(entry) if entry.is_dir(follow_symlinks=False) else os.unlink(entry)
        return self.folder

    def _watch(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self._watching:
            return
        if event in PROGRAMS:
            self.trespasses.append(f"{event} {arguments[0]}")
        elif event in CHANGES or (event == "open" and _writes(arguments)):
            self._note(event, arguments[0])

    def _note(self, event: str, path: Any) -> None:
        if isinstance(path, str | bytes | os.PathLike):
            where = os.path.realpath(os.fsdecode(path))
            if not where.startswith(str(self.folder)) and not where.endswith(".pyc") and where != os.devnull:
                self.trespasses.append(f"{event} {where}")


def _writes(arguments: tuple[Any, ...]) -> bool:
    return isinstance(arguments[2], int) and bool(arguments[2] & WRITING)


def _place(error: Exception) -> str:
    """The last line of clbench that an error came through."""
    own = [frame for frame in traceback.extract_tb(error.__traceback__) if "/clbench/" in frame.filename]
    frame = own[-1] if own else traceback.extract_tb(error.__traceback__)[-1]
    return f"{Path(frame.filename).name}:{frame.lineno} {frame.name}"
