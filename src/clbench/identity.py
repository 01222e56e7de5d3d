"""What code a result depends on: digests of source files that comments and docstrings do not change."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.metadata import version
from pathlib import Path

PACKAGE = Path(__file__).parent
LIBRARIES = ("torch", "nnunetv2", "batchgenerators", "batchgeneratorsv2", "dynamic-network-architectures",
             "acvl-utils", "numpy", "scipy", "scikit-image", "nibabel")  # fmt: skip


def library_versions() -> dict[str, str]:
    """The installed versions of everything that can change a number."""
    return {name: version(name) for name in LIBRARIES}


@cache
def sources_digest(*files: Path) -> str:
    """SHA-256 over the syntax trees of files and of the clbench methods that they import."""
    digest = hashlib.sha256()
    for name, tree in sorted((path.name, _tree_digest(path)) for path in set(_closure(files))):
        digest.update(f"{name}:{tree}\n".encode())
    return digest.hexdigest()


@cache
def package_files(*patterns: str) -> tuple[Path, ...]:
    """Files of the package by glob patterns relative to it."""
    return tuple(sorted(path for pattern in patterns for path in PACKAGE.glob(pattern)))


def _closure(files: Iterable[Path]) -> Iterator[Path]:
    """The files and, through them, every module of ``clbench.methods`` that is imported."""
    seen: set[Path] = set()
    todo = [path.resolve() for path in files]
    while todo:
        path = todo.pop()
        if path not in seen:
            seen.add(path)
            yield path
            todo.extend(_imported_methods(path))


@cache
def _imported_methods(path: Path) -> list[Path]:
    names = [node.module or "" for node in ast.walk(_tree(path)) if isinstance(node, ast.ImportFrom)]
    stems = [name.removeprefix("clbench.methods.") for name in names if name.startswith("clbench.methods.")]
    return [PACKAGE / "methods" / f"{stem}.py" for stem in stems]


@cache
def _tree_digest(path: Path) -> str:
    tree = _tree(path)
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list) and body and _is_docstring(body[0]):
            body[:1] = [] if len(body) > 1 else [ast.Pass()]
    return hashlib.sha256(ast.dump(tree).encode()).hexdigest()


def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def _is_docstring(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
