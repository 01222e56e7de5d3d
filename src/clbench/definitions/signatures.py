"""A method's settings, read off its source file without importing it."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from clbench.definitions.scenarios import SCENARIOS, Scenario
from clbench.definitions.setting_types import SettingType, Value, setting_type
from clbench.definitions.suggest import suggestion
from clbench.definitions.yaml_source import read_text
from clbench.errors import DefinitionError, Problem

_PACKAGE = "clbench.methods"
_SHIPPED = Path(__file__).resolve().parent.parent / "methods"


@dataclass(frozen=True)
class Signature:
    """A method as its source file declares it."""

    file: Path
    name: str
    title: str
    settings: Mapping[str, SettingType]
    watches_first_stage: bool
    scenarios: tuple[Scenario, ...]

    def problem(self, setting: str, value: Value) -> str | None:
        """What is wrong with giving ``setting`` this value, or None."""
        if setting not in self.settings:
            return f"{self.name} has no such setting; {suggestion(setting, self.settings)}"
        expected = self.settings[setting]
        return None if expected.accepts(value) else f"must be {expected}, not {value!r}"

    def complete(self, settings: Mapping[str, Value]) -> dict[str, Value]:
        """All settings in the signature's order: those given, in their own types, and the defaults."""
        return {
            name: kind.converted(settings[name]) if name in settings else kind.default
            for name, kind in self.settings.items()
        }


@dataclass(frozen=True)
class _Class:
    """A class and the file that it is written in."""

    file: Path
    node: ast.ClassDef


def read_signature(file: Path) -> Signature:
    """Read the one method that ``file`` defines.

    A method derives from ``Method``, directly or through classes of its own folder or of the shipped methods;
    what it does not say itself holds as its base says it.

    Raises:
        DefinitionError: the file can't be read or parsed, defines no method or several, or its settings are
            not keywords with an annotation and a literal default; all of it.
    """
    lineage = _method(file)
    problems: list[Problem] = []
    try:
        settings, scenarios = _settings(lineage, problems), _scenarios(lineage, problems)
    except RecursionError as error:
        raise _error(file, None, "is nested too deeply to be read") from error
    if problems:
        raise DefinitionError(problems)
    title = (ast.get_docstring(lineage[0].node) or "").partition("\n")[0]
    return Signature(file, file.stem, title, settings, _watches(lineage), scenarios)


def _method(file: Path) -> list[_Class]:
    """The file's one method that is not abstract and from which nothing else in it derives, then those between it
    and ``Method``."""
    tree = _parsed(file)
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    bases = {name for node in classes for name in _base_names(node)}
    concrete = (node for node in classes if node.name not in bases and "ABC" not in _base_names(node))
    lineages = [_lineage(_Class(file, node), ()) for node in concrete]
    methods = [lineage for lineage in lineages if lineage]
    if len(methods) != 1:
        found = ", ".join(lineage[0].node.name for lineage in methods) or "none"
        raise _error(file, None, f"must define exactly one method, a class that derives from Method; found {found}")
    return methods[0]


def _lineage(start: _Class, below: tuple[_Class, ...]) -> list[_Class]:
    """The class and those between it and ``Method``; empty if it does not derive from it."""
    if any((start.file, start.node.name) == (other.file, other.node.name) for other in below):
        return []
    names = _base_names(start.node)
    if "Method" in names:
        return [start]
    for name in names:
        base = _find_class(start.file, name, ())
        if base and (rest := _lineage(base, (*below, start))):
            return [start, *rest]
    return []


def _base_names(node: ast.ClassDef) -> list[str]:
    bases = (base.value if isinstance(base, ast.Subscript) else base for base in node.bases)
    return [base.id if isinstance(base, ast.Name) else getattr(base, "attr", "") for base in bases]


def _find_class(file: Path, name: str, asked: tuple[tuple[Path, str], ...]) -> _Class | None:
    """A class that ``file`` defines, or imports from another method's file."""
    if (file, name) in asked:
        return None
    for node in _parsed(file).body:
        if isinstance(node, ast.ClassDef) and node.name == name:
            return _Class(file, node)
        if isinstance(node, ast.ImportFrom):
            for item in node.names:
                source = _module_file(file, node) if name == (item.asname or item.name) else None
                if source:
                    return _find_class(source, item.name, (*asked, (file, name)))
    return None


def _module_file(file: Path, node: ast.ImportFrom) -> Path | None:
    """The file of a module that is imported from the shipped methods or from the same folder."""
    package, _, stem = (node.module or "").rpartition(".")
    folder = _SHIPPED if package == _PACKAGE else file.parent
    source = folder / f"{stem}.py"
    return source if source != file and source.is_file() else None


def _parsed(file: Path) -> ast.Module:
    try:
        return ast.parse(read_text(file), str(file))
    except (RecursionError, MemoryError) as error:
        raise _error(file, None, "is nested too deeply to be read") from error
    except SyntaxError as error:
        raise _error(file, error.lineno, f"is not valid Python: {error.msg}") from error
    except ValueError as error:
        raise _error(file, None, f"is not valid Python: {error}") from error


def _error(file: Path, line: int | None, message: str) -> DefinitionError:
    return DefinitionError([Problem(file, line, "", message)])


def _watches(lineage: list[_Class]) -> bool:
    """Whether the nearest ``watches_first_stage`` says True."""
    said = (value for item in lineage for value in _assigned(item.node, "watches_first_stage"))
    value = next(said, None)
    return isinstance(value, ast.Constant) and value.value is True


def _scenarios(lineage: list[_Class], problems: list[Problem]) -> tuple[Scenario, ...]:
    """What the nearest ``scenarios`` lists; all of them if there is none."""
    every = tuple(SCENARIOS)
    for item in lineage:
        for value in _assigned(item.node, "scenarios"):
            try:
                said = ast.literal_eval(value)
            except ValueError:
                said = None
            if isinstance(said, tuple) and said and set(said) <= set(every):
                return tuple(name for name in every if name in said)
            message = f"must be a tuple of some of {', '.join(every)}, written out"
            problems.append(Problem(item.file, value.lineno, f"{item.node.name}.scenarios", message))
    return every


def _assigned(node: ast.ClassDef, name: str) -> Iterator[ast.expr]:
    """The values that a class body gives to a name."""
    for statement in node.body:
        if isinstance(statement, ast.Assign):
            targets: list[ast.expr] = statement.targets
        elif isinstance(statement, ast.AnnAssign):
            targets = [statement.target]
        else:
            continue
        if statement.value and any(isinstance(target, ast.Name) and target.id == name for target in targets):
            yield statement.value


def _settings(lineage: list[_Class], problems: list[Problem]) -> dict[str, SettingType]:
    """The keyword settings of the nearest ``__init__``."""
    for item in lineage:
        for node in item.node.body:
            if isinstance(node, ast.FunctionDef) and node.name == "__init__":
                return _keywords(item, node, problems)
    return {}


def _keywords(owner: _Class, function: ast.FunctionDef, problems: list[Problem]) -> dict[str, SettingType]:
    arguments, name = function.args, owner.node.name
    if len(arguments.posonlyargs + arguments.args) > 1 or arguments.vararg or arguments.kwarg:
        message = "must take its settings as keywords, as in def __init__(self, *, strength: float = 0.1)"
        problems.append(Problem(owner.file, function.lineno, f"{name}.__init__", message))
    settings = {}
    for argument, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
        try:
            settings[argument.arg] = setting_type(argument.annotation, default)
        except ValueError as error:
            problems.append(Problem(owner.file, argument.lineno, f"{name}.{argument.arg}", str(error)))
    return settings
