"""Fuzz one reader, guided by the coverage of clbench: ``python tests/fuzz/drive.py READER --runs N --out DIR``.

Keeps a corpus, what was found, and how many inputs were read, in ``DIR/READER``; goes on with the corpus next time.
"""

from __future__ import annotations

import argparse
import ast
import hashlib
import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import atheris

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
with atheris.instrument_imports(include=["clbench"]):
    from clbench.definitions import signatures
    from clbench.definitions.catalogue import package_root
    from fuzz.mutate import mutated
    from fuzz.readers import names, reader
    from fuzz.sandbox import Sandbox

HANG = 20
"""Seconds after which libFuzzer ends the process and keeps the input; slower than 2 s is found without it."""
MEMORY = 2048
"""MB a process may have."""


def main() -> None:
    """Parse, fuzz, end with 1 if something was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("reader", choices=names())
    parser.add_argument("--runs", type=int, default=50_000)
    parser.add_argument("--seconds", type=int, default=0, help="At most; 0 for as long as it takes.")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path(".fuzz"))
    asked = parser.parse_args()
    with atheris.instrument_imports(include=["clbench"]):
        chosen = reader(asked.reader)
    _remember_shipped_methods()
    folder = asked.out / asked.reader
    corpus = _seeded(folder / "corpus", chosen)
    words = [
        sys.argv[0], str(corpus), f"-runs={asked.runs}", f"-max_total_time={asked.seconds}", f"-timeout={HANG}",
        f"-rss_limit_mb={MEMORY}", f"-artifact_prefix={folder}/", "-max_len=16384", "-print_final_stats=1",
        f"-seed={asked.seed}", "-keep_seed=1",
    ]  # fmt: skip
    atheris.Setup(words, _one_input(chosen, folder), custom_mutator=_mutate)
    atheris.Fuzz()


def _mutate(data: bytes, most: int, seed: int) -> bytes:
    """Documents are changed as documents every other time, and everything else as bytes."""
    changed = mutated(data, seed) if seed % 2 else None
    return atheris.Mutate(data, most) if changed is None or len(changed) > most else changed


def _remember_shipped_methods() -> None:
    """Parse each shipped method once; nothing that is fuzzed changes them, and it is most of the time."""
    parse, shipped = signatures._parsed, {}

    def parsed(file: Path) -> ast.Module:
        if not file.is_relative_to(package_root()):
            return parse(file)
        if file not in shipped:
            shipped[file] = parse(file)
        return shipped[file]

    signatures._parsed = parsed


def _seeded(corpus: Path, chosen: ModuleType) -> Path:
    corpus.mkdir(parents=True, exist_ok=True)
    for seed in chosen.seeds():
        (corpus / hashlib.sha1(seed, usedforsecurity=False).hexdigest()).write_bytes(seed)
    return corpus


def _one_input(chosen: ModuleType, folder: Path) -> Callable[[bytes], None]:
    """What libFuzzer calls; everything that is found is kept once, and the fuzzing goes on."""
    sandbox, count, found = Sandbox(), 0, set[str]()

    def one(data: bytes) -> None:
        nonlocal count
        count += 1
        if complaint := sandbox.complaint(chosen, data):
            key = complaint.partition(": ")[0]
            if key not in found:
                found.add(key)
                name = hashlib.sha1(key.encode(), usedforsecurity=False).hexdigest()[:12]
                (folder / f"found-{name}.txt").write_text(complaint)
                (folder / f"found-{name}.bin").write_bytes(data)
                print(f"FOUND {complaint}", flush=True)
        if count % 100 == 0:
            (folder / "count.json").write_text(json.dumps({"inputs": count, "found": len(found)}))

    return one


if __name__ == "__main__":
    main()
