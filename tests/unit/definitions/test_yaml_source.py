from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clbench.definitions.yaml_source import Document, KeyPath, read_document
from clbench.errors import DefinitionError, Problem


def write(folder: Path, text: str) -> Path:
    file = folder / "some.yaml"
    file.write_text(text, encoding="utf-8")
    return file


def refused(file: Path) -> Problem:
    with pytest.raises(DefinitionError) as caught:
        read_document(file)
    (problem,) = caught.value.problems
    return problem


def test_every_key_path_knows_its_line(tmp_path: Path) -> None:
    document = read_document(write(tmp_path, "# a comment\na: 1\nb:\n  c:\n    - x\n    - {d: 2,\n       e: 3}\n"))
    lines = {path: line for path, (_, line) in document.places.items()}
    assert lines == {
        ("a",): 2, ("b",): 3, ("b", "c"): 4, ("b", "c", 0): 5, ("b", "c", 1): 6, ("b", "c", 1, "d"): 6,
        ("b", "c", 1, "e"): 7,
    }  # fmt: skip


def test_a_path_that_was_not_written_has_the_line_of_what_is_around_it(tmp_path: Path) -> None:
    document = read_document(write(tmp_path, "a: 1\nb:\n  c: 2\n"))
    assert document.place(("b", "missing", 3)) == (document.file, 2)
    assert document.place(("nowhere",)) == (document.file, None)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-2", 0.01), ("3E5", 3e5), (".5", 0.5), ("-1.5e+3", -1500.0), ("7", 7), ("+7", 7), ("007", 7),
        ("true", True), ("False", False), ("~", None), ("", None), ("null", None),
        ("no", "no"), ("on", "on"), ("1:30", "1:30"), ("2026-01-01", "2026-01-01"), ("1_000", "1_000"),
        ("'1'", "1"), ('"true"', "true"), ("1.2.3", "1.2.3"), ("e5", "e5"),
    ],
)  # fmt: skip
def test_plain_scalars_mean_what_yaml_1_2_says(tmp_path: Path, text: str, value: object) -> None:
    read = read_document(write(tmp_path, f"a: {text}\n")).data["a"]
    assert read == value
    assert type(read) is type(value)


def test_a_key_written_twice_is_an_error_with_both_lines(tmp_path: Path) -> None:
    document = read_document(write(tmp_path, "a:\n  b: 1\n  c: 2\n  b: 3\n"))
    (problem,) = document.problems
    assert (problem.line, problem.field) == (4, "a.b")
    assert "lines 2 and 4" in problem.message
    assert document.data == {"a": {"b": 1, "c": 2}}


def test_a_syntax_error_has_its_line(tmp_path: Path) -> None:
    problem = refused(write(tmp_path, "a: 1\nb: [1, 2\nc: 3\n"))
    assert problem.line in (2, 3)
    assert "not valid YAML" in problem.message


@pytest.mark.parametrize("text", ["", "# nothing\n", "- a\n- b\n", "just text\n"])
def test_a_file_that_is_no_mapping_is_refused(tmp_path: Path, text: str) -> None:
    assert "must be a mapping" in refused(write(tmp_path, text)).message


def test_a_file_of_two_documents_is_refused(tmp_path: Path) -> None:
    assert refused(write(tmp_path, "a: 1\n---\nb: 2\n")).line == 2


def test_a_missing_file_a_folder_and_bytes_that_are_no_text_are_refused_by_name(tmp_path: Path) -> None:
    binary = tmp_path / "binary.yaml"
    binary.write_bytes(b"a: \xff\n")
    for file, words in ((tmp_path / "none.yaml", "No such file"), (tmp_path, "directory"), (binary, "UTF-8")):
        problem = refused(file)
        assert problem.file == file
        assert words in problem.message


def test_objects_keys_that_are_no_text_and_endless_aliases_are_refused_together(tmp_path: Path) -> None:
    text = "a: !!python/name:os.system x\n1: 2\nc: &c [1, *c]\n? [x]\n: 3\nbig: 2\n"
    document = read_document(write(tmp_path, text))
    assert sorted(problem.line or 0 for problem in document.problems) == [1, 2, 3, 4]
    assert document.data["big"] == 2


def test_an_alias_that_is_used_twice_is_read_twice(tmp_path: Path) -> None:
    document = read_document(write(tmp_path, "a: &x [1, 2]\nb: *x\nc: [*x, *x]\n"))
    assert document.data == {"a": [1, 2], "b": [1, 2], "c": [[1, 2], [1, 2]]}
    assert not document.problems


KEYS = st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=1, max_size=6)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | KEYS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=12,
)


def paths(value: object, at: KeyPath = ()) -> set[KeyPath]:
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return {at} | {path for key, child in children for path in paths(child, (*at, key))}


@settings(deadline=None)
@given(data=st.dictionaries(KEYS, VALUES, max_size=4))
def test_any_json_document_reads_as_itself_with_a_line_for_each_path(
    tmp_path_factory: pytest.TempPathFactory, data: dict[str, object]
) -> None:
    text = json.dumps(data, indent=1).replace("Infinity", ".inf")
    document = read_document(write(tmp_path_factory.mktemp("json"), text))
    assert document.data == data
    assert set(document.places) == paths(data) - {()}
    assert not document.problems


def test_a_layer_hides_keys_as_a_whole_and_keeps_the_lines_of_both_files(tmp_path: Path) -> None:
    lower = Document(tmp_path / "lower", {"a": {"x": 1}, "b": 2}, {
        ("a",): (tmp_path / "lower", 1), ("a", "x"): (tmp_path / "lower", 1), ("b",): (tmp_path / "lower", 2)
    })  # fmt: skip
    upper = Document(tmp_path / "upper", {"a": {"y": 3}}, {("a",): (tmp_path / "upper", 7)})
    both = upper.over(lower)
    assert both.data == {"a": {"y": 3}, "b": 2}
    assert both.place(("a", "x")) == (tmp_path / "upper", 7)
    assert both.place(("b",)) == (tmp_path / "lower", 2)
