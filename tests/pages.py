"""A page of the documentation as its reader takes it: files to be typed, commands to be entered."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from command_line import Program, Said

ROOT = Path(__file__).parents[1]
FILE = re.compile(r"^`([^`\n]+\.(?:py|yaml))`\n```\w+\n(.*?)^```$", re.MULTILINE | re.DOTALL)
COMMAND = re.compile(r"^((?:clbench|python|sed) .*?)(?: +# ends with (\d))?$", re.MULTILINE)


@dataclass(frozen=True)
class Command:
    """A line that is entered, and the exit code that the page says it ends with."""

    line: str
    code: int

    def __call__(self, program: Program) -> Said:
        """Enter it in the program's folder."""
        first, *words = shlex.split(self.line)
        if first == "clbench":
            return program(*words)
        command = [sys.executable if first == "python" else first, *words]
        done = subprocess.run(command, cwd=program.folder, capture_output=True, text=True, check=False)
        return Said(done.returncode, done.stdout, done.stderr)


@dataclass(frozen=True)
class Page:
    """The text of a page, or of a part of one."""

    text: str

    @classmethod
    def named(cls, name: str) -> Page:
        """A page by its path in the repository."""
        return cls((ROOT / name).read_text())

    @property
    def files(self) -> dict[str, str]:
        """The text of every file that the page gives whole."""
        return dict(FILE.findall(self.text))

    @property
    def commands(self) -> list[Command]:
        """Every command, in the order of the page."""
        return [_command(found) for found in COMMAND.finditer(self.text)]

    def type_files(self, folder: Path) -> list[Path]:
        """Write its files, and say which."""
        return [_typed(folder / name, text) for name, text in self.files.items()]

    def followed(
        self, program: Program, *, without: str | None = None, shorter: Mapping[str, str] = {}
    ) -> Iterator[Command]:
        """Type and enter everything from top to bottom; every command must end as the page says.

        Args:
            program: where.
            without: commands with this in them are left out.
            shorter: texts of files that are replaced by others.

        Yields:
            Each command once it was entered.
        """
        steps = [*FILE.finditer(self.text), *COMMAND.finditer(self.text)]
        for step in sorted(steps, key=lambda found: found.start()):
            if step.re is FILE:
                _typed(program.folder / step[1], step[2], shorter)
            elif without is None or without not in step[0]:
                yield _entered(_command(step), program)


def _command(found: re.Match[str]) -> Command:
    return Command(found[1], int(found[2] or 0))


def _entered(command: Command, program: Program) -> Command:
    said = command(program)
    assert said.code == command.code, f"{command.line}: {said.out}{said.err}"
    return command


def _typed(file: Path, text: str, changes: Mapping[str, str] = {}) -> Path:
    for old, new in changes.items():
        text = text.replace(old, new)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return file
