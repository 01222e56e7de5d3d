from __future__ import annotations

from pathlib import Path

import pytest

from clbench.definitions.catalogue import package_root
from clbench.definitions.signatures import Signature, read_signature
from clbench.errors import DefinitionError, Problem

from .conftest import PLAIN, PULL


def read(folder: Path, text: str, name: str = "some") -> Signature:
    file = folder / f"{name}.py"
    file.write_text(text, encoding="utf-8")
    return read_signature(file)


def refused(folder: Path, text: str) -> list[Problem]:
    with pytest.raises(DefinitionError) as caught:
        read(folder, text)
    return caught.value.problems


def method(arguments: str, body: str = "") -> str:
    return f"class Some(Method):\n    {body or 'pass'}\n    def __init__({arguments}): ...\n"


def test_a_method_is_read_without_being_imported(tmp_path: Path) -> None:
    signature = read(tmp_path, "import nothing_of_this_name\nraise SystemExit\n" + PULL, "pull")
    assert (signature.name, signature.title) == ("pull", "Pulls towards the past.")
    assert signature.complete({}) == {
        "strength": 0.1,
        "steps": 4,
        "where": "all",
        "cap": None,
        "strict": False,
    }
    assert not signature.watches_first_stage


def test_a_method_without_init_has_no_settings(tmp_path: Path) -> None:
    assert not read(tmp_path, PLAIN).settings


@pytest.mark.parametrize("body", ["watches_first_stage = True", "watches_first_stage: bool = True"])
def test_watching_the_first_stage_is_read_off_the_class(tmp_path: Path, body: str) -> None:
    assert read(tmp_path, method("self", body)).watches_first_stage
    assert not read(tmp_path, method("self", body.replace("True", "False"))).watches_first_stage


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("strength", 1), ("strength", 0.5), ("steps", 7), ("where", "last"), ("cap", None), ("cap", 2),
        ("strict", True),
    ],
)  # fmt: skip
def test_values_of_the_annotated_types_are_accepted(tmp_path: Path, setting: str, value: object) -> None:
    assert read(tmp_path, PULL).problem(setting, value) is None  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("setting", "value", "right"),
    [
        ("strength", "0.5", "float"), ("strength", True, "float"), ("strength", float("inf"), "float"),
        ("strength", float("nan"), "float"), ("strength", None, "float"), ("steps", 1.0, "int"),
        ("steps", True, "int"), ("where", "first", "'all' or 'last'"), ("cap", "x", "float or null"),
        ("strict", 1, "bool"),
    ],
)  # fmt: skip
def test_other_values_are_refused_with_what_would_be_right(
    tmp_path: Path, setting: str, value: object, right: str
) -> None:
    message = read(tmp_path, PULL).problem(setting, value)  # type: ignore[arg-type]
    assert message is not None
    assert f"must be {right}, not" in message


def test_an_unknown_setting_is_answered_with_the_nearest(tmp_path: Path) -> None:
    assert "did you mean 'strength'?" in str(read(tmp_path, PULL).problem("strenght", 1.0))


def test_whole_numbers_become_floats_where_a_float_is_asked(tmp_path: Path) -> None:
    settings = read(tmp_path, PULL).complete({"strength": 1, "steps": 2, "cap": 3})
    assert [type(settings[name]) for name in ("strength", "steps", "cap")] == [float, int, float]


def test_a_default_is_a_float_where_the_annotation_says_so(tmp_path: Path) -> None:
    assert repr(read(tmp_path, method("self, *, a: float = 1")).complete({})["a"]) == "1.0"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("self, strength: float = 0.1", "as keywords"),
        ("self, *more", "as keywords"),
        ("self, **more", "as keywords"),
        ("self, *, a=0.1", "annotation and a default"),
        ("self, *, a: float", "annotation and a default"),
        ("self, *, a: list = 3", "list is no type of a setting"),
        ("self, *, a: dict[str, int] = 3", "no type of a setting"),
        ("self, *, a: float = LATER", "needs a literal, not LATER"),
        ("self, *, a: int = 0.5", "its default must be int, not 0.5"),
        ("self, *, a: Literal['x', 'y'] = 'z'", "its default must be 'x' or 'y'"),
    ],
)
def test_a_signature_that_no_card_could_fill_is_refused(tmp_path: Path, arguments: str, words: str) -> None:
    (problem,) = refused(tmp_path, method(arguments))
    assert words in problem.message
    assert problem.line == 3


def test_all_wrong_settings_of_a_method_are_reported_together(tmp_path: Path) -> None:
    fields = [problem.field for problem in refused(tmp_path, method("self, x, *, a: list = 3, b: int, c: int = 1"))]
    assert fields == ["Some.__init__", "Some.a", "Some.b"]


def test_optional_and_unions_of_literals_are_understood(tmp_path: Path) -> None:
    signature = read(tmp_path, method("self, *, a: Optional[int] = None, b: typing.Literal['auto'] | float = 'auto'"))
    assert signature.problem("a", None) is None
    assert signature.problem("b", 2) is None
    assert signature.complete({"b": 2})["b"] == 2.0
    assert signature.problem("b", "other") is not None


@pytest.mark.parametrize(
    ("text", "found"), [("x = 1\n", "none"), (PLAIN + PULL, "Plain, Pull"), ("class Method: ...\n", "none")]
)
def test_a_file_with_no_method_or_two_is_refused(tmp_path: Path, text: str, found: str) -> None:
    (problem,) = refused(tmp_path, text)
    assert f"found {found}" in problem.message


def test_python_that_does_not_parse_is_refused_with_its_line(tmp_path: Path) -> None:
    (problem,) = refused(tmp_path, "x = 1\ndef broken(:\n")
    assert problem.line == 2


def test_a_method_may_derive_from_another_method_of_its_folder(tmp_path: Path) -> None:
    (tmp_path / "pull.py").write_text(PULL.replace("    def", "    watches_first_stage = True\n\n    def", 1))
    signature = read(tmp_path, "from pull import Pull as Base\nclass Stronger(Base):\n    '''More.'''\n")
    assert signature.title == "More."
    assert signature.complete({})["steps"] == 4
    assert signature.watches_first_stage


def test_only_the_last_of_a_chain_of_classes_in_one_file_counts_as_the_method(tmp_path: Path) -> None:
    signature = read(tmp_path, PULL + "\n\nclass Last(Pull):\n    '''The last.'''\n")
    assert signature.title == "The last."


def test_classes_that_import_each_other_in_a_circle_are_no_methods(tmp_path: Path) -> None:
    (tmp_path / "other.py").write_text("from some import Some\nclass Other(Some): ...\n")
    (problem,) = refused(tmp_path, "from other import Other\nclass Some(Other): ...\n")
    assert "found none" in problem.message


@pytest.mark.parametrize("name", ["finetune", "l2", "ewc", "blip", "replay", "lwf"])
def test_the_shipped_methods_can_be_read(name: str) -> None:
    signature = read_signature(package_root() / "methods" / f"{name}.py")
    assert signature.title
    assert all(kind.accepts(kind.default) for kind in signature.settings.values())
