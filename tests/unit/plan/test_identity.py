"""The digest of code: the same in every process, another for other code."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from clbench.identity import sources_digest


def test_files_of_one_name_have_the_same_digest_in_every_process(tmp_path: Path) -> None:
    files = [tmp_path / folder / "prepare.py" for folder in "abcd"]
    for number, file in enumerate(files):
        file.parent.mkdir()
        file.write_text(f"x = {number}\n")
    code = "import sys; from pathlib import Path; from clbench.identity import sources_digest as digest; "
    code += "print(digest(*map(Path, sys.argv[1:])))"
    found = {
        subprocess.run(
            [sys.executable, "-c", code, *files], env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True, check=True,
        ).stdout
        for seed in "123"
    }  # fmt: skip
    assert found == {f"{sources_digest(*files)}\n".encode()}

