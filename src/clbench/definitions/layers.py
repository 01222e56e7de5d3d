"""A definition laid over those that it extends."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from clbench.definitions.catalogue import Catalogue
from clbench.definitions.models import Benchmark
from clbench.definitions.reading import located, stem_findings
from clbench.definitions.split_files import with_lists
from clbench.definitions.validation import checked
from clbench.definitions.yaml_source import Document, read_document
from clbench.errors import DefinitionError

OWN = ("name", "version", "title", "extends")
"""Keys that are never taken over."""


def layered(file: Path, catalogue: Catalogue, above: tuple[Path, ...] = ()) -> tuple[Document, tuple[Path, ...]]:
    """Read a definition and those that it extends.

    Args:
        file: the definition.
        catalogue: where a name after ``extends`` is looked up.
        above: the definitions that extend this one.

    Returns:
        The definition with the keys that it inherits, and the files it was read from, its own first. What is
        wrong with ``extends`` is among the document's problems.

    Raises:
        DefinitionError: the file can't be read.
    """
    document = read_document(file)
    document.problems.extend(located(document, stem_findings(file, document.data)))
    parent = document.data.get("extends")
    if not isinstance(parent, str):
        return document, (file,)
    try:
        return _over(document, _parent_file(parent, file, catalogue, above), catalogue, above)
    except _NoParentError as error:
        problem = document.problem(("extends",), str(error))
        return replace(document, problems=[*document.problems, problem], whole=False), (file,)
    except DefinitionError as error:
        return replace(document, problems=document.problems + error.problems, whole=False), (file,)


def extended(files: tuple[Path, ...], catalogue: Catalogue) -> list[Benchmark]:
    """The definitions that one extends, each with what it extends itself; those that are not whole are left out.

    Args:
        files: the definition's own file, then those that it extends.
        catalogue: where names are looked up.
    """
    read = [checked(Benchmark, layered(file, catalogue)[0]) for file in files[1:]]
    return [
        one.value.model_copy(update={"sample": with_lists(one.value.sample, one.document)[0]})
        for one in read
        if one.value is not None
    ]


class _NoParentError(Exception):
    """What is extended can't be found, or leads back."""


def _over(
    document: Document, parent: Path, catalogue: Catalogue, above: tuple[Path, ...]
) -> tuple[Document, tuple[Path, ...]]:
    base, files = layered(parent, catalogue, (*above, document.file))
    inherited = {key: value for key, value in base.data.items() if key not in OWN}
    return document.over(replace(base, data=inherited)), (document.file, *files)


def _parent_file(parent: str, file: Path, catalogue: Catalogue, above: tuple[Path, ...]) -> Path:
    if parent.endswith((".yaml", ".yml")):
        found: Path | None = (file.parent / parent).resolve()
    else:
        found = catalogue.find("benchmark", parent)
    if found is None or not found.is_file():
        raise _NoParentError(catalogue.unknown("benchmark", parent))
    chain = (*above, file)
    if found.resolve() in {path.resolve() for path in chain}:
        raise _NoParentError(f"leads back to itself: {' → '.join(path.stem for path in (*chain, found))}")
    if found.stem in {path.stem for path in chain}:
        raise _NoParentError(f"{found} has the same name; give one of them another, or their numbers would be mixed")
    return found
