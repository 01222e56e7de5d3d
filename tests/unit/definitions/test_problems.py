from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clbench.definitions.models import Benchmark
from clbench.errors import DefinitionError, Problem

from .conftest import BENCHMARK, Suite, make_suite

BENCH = "benchmark/bench.yaml"
EPOCHS = "epochs: [5, 25]"


def _schedule(settings: str, name: str = "name: own, ") -> tuple[str, str]:
    """Adds a schedule behind the epochs; gives what to replace, by what, and where it is."""
    return EPOCHS, f"{EPOCHS}, schedules: [{{{name}{settings}}}]"


AT = "protocols.transfer.schedules[0]."
FROM = "protocols.transfer.from"


@pytest.mark.parametrize(
    ("old", "new", "field", "words"),
    [
        ("features:", "featurs:", "backbone.featurs", "unknown key; did you mean 'features'?"),
        ("{epochs: 25}", "{epochs: 25, epoch: {iteration: 3}}", "budget.epoch.iteration", "'iterations'?"),
        ("  joint: {}", "  joint: {budget: [full]}", "protocols.joint.budget", "did you mean 'budgets'?"),
        ("seeds: [0, 1]", "seeds: [0, 1]\nmeasures: [dice]", "measures", "unknown key"),
        ("[alpha, beta]", "[alpha, betta]", "sequence[1]", "there is no task 'betta'; did you mean 'beta'?"),
        ("[plain, pull]", "[plain, puli]", "protocols.continual.baselines[1]", "did you mean 'pull'?"),
        ("[gamma]", "[gama]", "protocols.transfer.targets[0]", "did you mean 'gamma'?"),
        ("[alpha, beta]", "[alpha, beta, alpha]", "sequence[2]", "'alpha' is listed twice"),
        ("[gamma]", "[beta]", "protocols.transfer.targets[0]", "'beta' is in the sequence; a target must be"),
        ("[plain, joint]", "[plain, jont]", "protocols.transfer.from[1]", "did you mean 'joint'?"),
        ("[plain, joint]", "[from-scratch]", "protocols.transfer.from[0]", "always measured"),
        ("  joint: {}\n", "", "protocols.transfer.from[1]", "'joint' is not run here"),
        ("[0.5, 1.0]", "[0.5, 1.5]", "protocols.transfer.fractions[1]", "less than or equal to 1"),
        ("[0.5, 1.0]", "[0, 1.0]", "protocols.transfer.fractions[0]", "greater than 0"),
        ("[0.5, 1.0]", "[0.5, 0.5]", "protocols.transfer.fractions[1]", "twice"),
        ("[5, 25]", "[5, 26]", "protocols.transfer.epochs[1]", "26 is beyond the budget of 25 epochs"),
        ("[5, 25]", "[0, 25]", "protocols.transfer.epochs[0]", "greater than or equal to 1"),
        (EPOCHS, f"{EPOCHS}, schedules: [plan]", "protocols.transfer.schedules[0]", "must be 'plain', not 'plan'"),
        (EPOCHS, f"{EPOCHS}, schedules: []", "protocols.transfer.schedules", "at least 1"),
        (EPOCHS, f"{EPOCHS}, schedules: [{{lr: 0.1}}]", "protocols.transfer.schedules[0].name", "is missing"),
        (*_schedule("epoch: 3"), f"{AT}epoch", "unknown key; did you mean 'epochs'?"),
        (*_schedule("lr: 0"), f"{AT}lr", "greater than 0"),
        (*_schedule("warmup: -1"), f"{AT}warmup", "greater than or equal to 0"),
        (*_schedule("epochs: 26"), f"{AT}epochs", "26 is beyond the budget of 25 epochs"),
        (*_schedule("head_first: 26"), f"{AT}head_first", "26 is beyond the 25 epochs of the training"),
        (*_schedule("epochs: 5, head_first: 6"), f"{AT}head_first", "6 is beyond the 5 epochs of the training"),
        (*_schedule("freeze: decoder"), f"{AT}freeze", "must be 'none', 'encoder' or 'trunk', not 'decoder'"),
        (*_schedule("freeze: trunk, head_first: 2"), f"{AT}head_first", "says nothing beside freeze: trunk"),
        (*_schedule("lr: 1, name: plain", name=""), f"{AT}name", "'plain' is the schedule that changes nothing"),
        (EPOCHS, f"{EPOCHS}, schedules: [plain, plain]", "protocols.transfer.schedules[1]", "listed twice"),
        ("[plain, joint]", "[{checkpoint: no.pth, name: a}]", f"{FROM}[0].checkpoint", "no file or fold"),
        ("[plain, joint]", "[{checkpoint: bench.yaml}]", f"{FROM}[0].name", "is missing"),
        ("[plain, joint]", "[{path: a.pth, checkpoint: bench.yaml, name: a}]", f"{FROM}[0].path", "key"),
        ("[plain, joint]", "[{checkpoint: bench.yaml, name: pull}]", f"{FROM}[0].name", "a baseline"),
        ("[plain, joint]", "[{checkpoint: bench.yaml, name: joint}]", f"{FROM}[0].name", "a baseline"),
        ("[plain, joint]", "[plain, joint, plain]", "protocols.transfer.from[2]", "'plain' is listed twice"),
        ("seed: 0}", "seed: 0, fold: 0}", "sample.fold", "must be 'all', not 0"),
        ("seeds: [0, 1]", "seeds: [3, 1, 3]", "seeds[2]", "3 is listed twice"),
        ("seeds: [0, 1]", "seeds: []", "seeds", "at least 1"),
        ("seeds: [0, 1]", "seeds: [-1]", "seeds[0]", "greater than or equal to 0"),
        (", seed: 0", "", "sample.seed", "is missing; cases are drawn"),
        ("train: 12", "train: 49", "sample.train", "task alpha has 48 (split last-fifth of 60 cases)"),
        ("val: 4", "val: 13", "sample.val", "write at most 12"),
        ("patch: [24, 24, 24]", "patch: [24, 20, 24]", "backbone.patch[1]", "20 must be divisible by 8"),
        ("features: [8, 16, 32, 32]", "features: [8, 16]", "backbone.features", "must have 3 at least: nnU-Net's"),
        ("patch: [24, 24, 24]", "patch: [24, 24]", "backbone.patch[2]", "is missing"),
        ("patch: [24, 24, 24]", "spacing: [8, 8, 0]", "backbone.spacing[2]", "greater than 0"),
        ("scenario: task-incremental", "scenario: task", "scenario", "'domain-incremental' or 'class-inc"),
        ("3d_fullres", "2d", "backbone.configuration", "must be '3d_fullres' or '3d_lowres', not '2d'"),
        ("{epochs: 25}", "{epochs: twenty}", "budget.epochs", "integer, not 'twenty'"),
        ("{epochs: 25}", '{epochs: "25"}', "budget.epochs", "integer, not '25'"),
        ("{epochs: 25}", "{epochs: 25.0}", "budget.epochs", "integer, not 25.0"),
        ("{epochs: 25}", "{epochs: true}", "budget.epochs", "integer, not True"),
        ("{epochs: 25}", "{epochs: 25, epoch: case}", "budget.epoch", "must be 'cases', not 'case'"),
        ("budget: {epochs: 25}", "budget: 25", "budget", "not 25"),
        ("seeds: [0, 1]", "seeds: [0, 1]\noptimizer: {momentum: 1}", "optimizer.momentum", "less than 1"),
        ("budget: {epochs: 25}", "budget: {epochs: 25}\noptimizer: {lr: .inf}", "optimizer.lr", "finite"),
        ("  joint: {}", "  joint:", "protocols.joint", "is empty; write {}"),
        ("[alpha, beta]", "[alpha]", "sequence", "needs two or more"),
        ("name: bench", "name: bank", "name", "'bank' in a file called bench.yaml"),
        ("version: 1", "version: 0", "version", "greater than or equal to 1"),
        ("[plain, pull]", "[plain, joint-equal]", "protocols.continual.baselines[1]", "protocol of its own"),
        ("sequence: [alpha, beta]", "sequence: [alpha, beta]\nsequence: [beta]", "sequence", "lines 5 and 6"),
    ],
)  # fmt: skip
def test_one_mistake_is_one_problem_with_file_line_and_what_would_be_right(
    suite: Suite, old: str, new: str, field: str, words: str
) -> None:
    suite.benchmark(old, new)
    problem = suite.problems()[0]
    assert {(problem.file, problem.field)} == {(found.file, found.field) for found in suite.problems()}
    assert (problem.file, problem.field) == (suite.root / BENCH, field)
    assert words in problem.message
    last = new.strip().splitlines()[-1] if new.strip() else "sample:" if "seed" in old else "transfer:"
    assert problem.line == suite.line(BENCH, last)


def test_everything_that_is_wrong_anywhere_is_said_at_once(suite: Suite) -> None:
    suite.benchmark("version: 1", "verison: 1")
    suite.benchmark("[alpha, beta]", "[alpha, beta, alpha, delta]")
    suite.benchmark("[0.5, 1.0]", "[0.5, 1.5]")
    suite.benchmark("[5, 25]", "[5, 250]")
    suite.benchmark("[plain, joint]", "[plain, jonit]")
    suite.benchmark("[24, 24, 24]", "[25, 24, 24]")
    suite.benchmark("train: 12", "train: 49")
    suite.edit("tasks/beta.yaml", "modality: CT", "modality: []")
    suite.edit("baselines/pull.yaml", "method: pull", "method: pull\nsettings: {strenght: 1}")
    found = {(problem.file.name if problem.file else "", problem.field) for problem in suite.problems()}
    assert found == {
        ("bench.yaml", "verison"), ("bench.yaml", "sequence[2]"),
        ("bench.yaml", "sequence[3]"), ("bench.yaml", "protocols.transfer.fractions[1]"),
        ("bench.yaml", "protocols.transfer.epochs[1]"), ("bench.yaml", "protocols.transfer.from[1]"),
        ("bench.yaml", "backbone.patch[0]"), ("bench.yaml", "sample.train"), ("beta.yaml", "modality"),
        ("pull.yaml", "settings.strenght"),
    }  # fmt: skip


def test_holding_nothing_out_is_refused_where_nothing_else_is_measured(suite: Suite) -> None:
    suite.benchmark("seed: 0}", "seed: 0, fold: all}")
    assert suite.resolve().benchmark.sample.fold == "all"
    transfer = next(line for line in (suite.root / BENCH).read_text().splitlines() if "transfer:" in line)
    suite.benchmark(f"{transfer}\n", "")
    assert "add a transfer" in suite.problem().message


def test_with_nothing_held_out_no_model_is_chosen_by_reported_cases_and_no_case_is_listed(suite: Suite) -> None:
    suite.benchmark("seed: 0}", "seed: 0, fold: all, ids: {alpha: {train: [a_000], val: [a_001]}}}")
    suite.benchmark("{epochs: 25}", "{epochs: 25, checkpoint: best-as-original}")
    assert {problem.field for problem in suite.problems()} >= {"budget.checkpoint", "sample.ids.alpha"}


def test_a_single_task_may_be_learnt_as_a_backbone_by_one_baseline(suite: Suite) -> None:
    suite.benchmark("[alpha, beta]", "[alpha]")
    suite.benchmark("[plain, pull]", "[plain]")
    assert suite.resolve().benchmark.sequence == ("alpha",)


def test_with_nothing_held_out_the_sample_is_the_targets_and_the_sequence_gives_every_case(suite: Suite) -> None:
    suite.benchmark("seed: 0}", "seed: 0, fold: all}")
    benchmark = suite.resolve().benchmark
    assert benchmark.sample_of("alpha").counts("alpha", 60) == (60, 0)
    assert benchmark.sample_of("gamma").counts("gamma", 60) == (12, 4)
    suite.benchmark("train: 12", "train: 49")
    assert suite.problem().message.startswith("49 is too many: task gamma has 48")


def test_an_epoch_without_an_iteration_is_refused(suite: Suite) -> None:
    suite.benchmark("train: 12", "train: 1")
    assert {problem.field for problem in suite.problems()} == {"budget.batch"}
    suite.benchmark("{epochs: 25}", "{epochs: 25, epoch: {iterations: 3}}")
    assert suite.resolve().benchmark.sample.train == 1


def test_a_problem_prints_as_file_line_field_and_message(suite: Suite) -> None:
    file = suite.benchmark("[0.5, 1.0]", "[0.5, 1.5]")
    assert str(suite.problem()).startswith(f"{file}:13: protocols.transfer.fractions[1]: must be less than")


def test_a_wrong_section_causes_no_second_problem_elsewhere(suite: Suite) -> None:
    suite.benchmark("{baselines: [plain, pull]}", "{baselines: [plain, 3]}")
    assert suite.problem().field == "protocols.continual.baselines[1]"


def test_a_wrong_sample_is_not_also_called_too_large(suite: Suite) -> None:
    suite.benchmark("{train: 12, val: 4, seed: 0}", "{train: 500, val: 4, seed: -1}")
    assert suite.problem().field == "sample.seed"


def test_a_broken_card_is_reported_once_although_it_is_named_twice(suite: Suite) -> None:
    suite.edit("baselines/pull.yaml", "method: pull", "method: pul")
    suite.benchmark("from: [plain, joint]", "from: [pull]")
    problem = suite.problem()
    assert problem.file == suite.root / "baselines/pull.yaml"
    assert "there is no method 'pul'; did you mean 'pull'?" in problem.message


def test_a_definition_that_would_run_nothing_is_refused(suite: Suite) -> None:
    text = BENCHMARK.partition("protocols:")[0] + "protocols: {}\nseeds: [0]\n"
    suite.write(BENCH, text)
    assert "nothing would run" in suite.problem().message


def test_all_missing_sections_are_named(suite: Suite) -> None:
    suite.write(BENCH, "name: bench\n")
    fields = {problem.field for problem in suite.problems()}
    assert fields == {"version", "title", "scenario", "sequence", "backbone", "budget", "protocols", "seeds"}


def test_a_benchmark_that_is_no_yaml_is_refused_with_its_line(suite: Suite) -> None:
    suite.write(BENCH, "name: bench\nsequence: [alpha\n")
    assert "not valid YAML" in suite.problem().message


def test_definitions_that_extend_each_other_are_refused_with_the_circle(suite: Suite) -> None:
    for name, other in (("a", "b"), ("b", "c"), ("c", "a")):
        suite.write(f"benchmark/{name}.yaml", f"name: {name}\nversion: 1\ntitle: T\nextends: {other}\n")
    (problem,) = suite.problems("a")
    assert "a → b → c → a" in problem.message
    assert (problem.file, problem.line) == (suite.root / "benchmark/c.yaml", 4)


def test_a_definition_that_extends_itself_is_refused(suite: Suite) -> None:
    suite.benchmark("version: 1", "version: 1\nextends: bench")
    assert "bench → bench" in suite.problem().message


def test_extending_something_unknown_is_one_problem_with_the_nearest_name(suite: Suite) -> None:
    suite.write("benchmark/b.yaml", "name: b\nversion: 1\ntitle: T\nextends: bnech\n")
    (problem,) = suite.problems("b")
    assert "did you mean 'bench'?" in problem.message


def test_a_problem_in_an_inherited_section_is_reported_in_the_file_that_wrote_it(suite: Suite) -> None:
    suite.benchmark("{epochs: 25}", "{epochs: 0}")
    suite.write("benchmark/b.yaml", "name: b\nversion: 1\ntitle: T\nextends: bench\nseeds: [3, 3]\n")
    assert [(problem.file.name if problem.file else "", problem.field) for problem in suite.problems("b")] == [
        ("b.yaml", "seeds[1]"),
        ("bench.yaml", "budget.epochs"),
    ]


@pytest.mark.parametrize(
    ("old", "new", "field", "words"),
    [
        ("organ: [1], ", "organ: [], ", "labels.organ", "no original value; valid: 1 (organ), 2 (tumour)"),
        ("lesion: [2, 3]", "lesion: [2, 7]", "labels.lesion[1]", "7 is not among original_labels"),
        ("lesion: [2, 3]", "lesion: [2, 1]", "labels.lesion[1]", "1 is already part of label 'organ'"),
        ("lesion: [2, 3]", "lesion: [2, 2]", "labels.lesion[1]", "2 is already part of label 'lesion'"),
        ("lesion: [2, 3]", "background: [2, 3]", "labels.background", "nnU-Net's own word"),
        ("labels: {organ: [1], lesion: [2, 3]}\n", "labels: {}\n", "labels", "at least 1"),
        ("cyst: 3}", "cyst: 3, none: 0}", "original_labels.none", "0 is background"),
        ("cyst: 3}", "cyst: 3, other: 3}", "original_labels.other", "3 already means 'cyst'"),
        ("kind: msd", "kind: mds", "source.kind", "must be one of 'anatomy', 'msd', 'kits21', 'kits23', 'nnunet'"),
        ("  kind: msd\n", "", "source.kind", "is missing"),
        ("  folder: Task99_Any\n", "", "source.folder", "is missing"),
        ("md5: 0123456789abcdef", "md5: x", "source.md5", "must match pattern"),
        ("licence: CC0", "licence: CC0\n  license: CC0", "source.license", "did you mean 'licence'?"),
        ("name: beta", "name: betta", "name", "'betta' in a file called beta.yaml"),
        ("cases: 60", "cases: many", "cases", "integer, not 'many'"),
    ],
)  # fmt: skip
def test_a_wrong_task_card_is_refused_at_its_line(suite: Suite, old: str, new: str, field: str, words: str) -> None:
    suite.edit("tasks/beta.yaml", old, new)
    problem = suite.problem()
    assert (problem.file, problem.field) == (suite.root / "tasks/beta.yaml", field)
    assert words in problem.message
    last = new.strip().splitlines()[-1] if new.strip() else "source:"
    assert problem.line == suite.line("tasks/beta.yaml", last)


def test_an_embedded_task_must_number_what_it_marks(suite: Suite) -> None:
    text = (suite.root / "tasks/beta.yaml").read_text(encoding="utf-8").partition("source:")[0]
    source = "source: {kind: anatomy, scene: abdomen, focus: liver, organs: {lver: liver}, spacing: [6, 6, 6]}\n"
    suite.write("tasks/beta.yaml", text.replace("organ", "liver") + source)
    problem = suite.problem()
    assert (problem.field, problem.line) == ("source.organs.lver", 8)
    assert "did you mean 'liver'?" in problem.message


@pytest.mark.parametrize(
    ("old", "new", "field", "words"),
    [
        ("method: pull", "method: plul", "method", "there is no method 'plul'; did you mean 'pull'?"),
        ("version: 3", "version: 3\nsettings: {strength: high}", "settings.strength", "must be float"),
        ("version: 3", "version: 3\nsettings: {strength: [1, 2]}", "settings.strength", "must be a finite"),
        ("version: 3", "version: 3\nsettings: {where: frist}", "settings.where", "must be 'all' or 'last'"),
        ("method: pull", "method: pull\nsetings: {}", "setings", "did you mean 'settings'?"),
        ("name: pull", "name: joint", "name", "'joint' in a file called pull.yaml"),
    ],
)  # fmt: skip
def test_a_wrong_baseline_card_is_refused_at_its_line(
    suite: Suite, old: str, new: str, field: str, words: str
) -> None:
    suite.edit("baselines/pull.yaml", old, new)
    problem = suite.problems()[0]
    assert (problem.file, problem.field) == (suite.root / "baselines/pull.yaml", field)
    assert words in problem.message
    assert problem.line == suite.line("baselines/pull.yaml", new.splitlines()[-1])


def test_a_baseline_may_not_be_called_like_a_protocol(suite: Suite) -> None:
    suite.write("baselines/joint.yaml", "name: joint\nversion: 1\ntitle: T\nmethod: plain\n")
    with pytest.raises(DefinitionError, match="'joint' stands for a protocol"):
        suite.catalogue.baseline("joint")


def test_a_broken_method_is_reported_with_its_own_file_and_line(suite: Suite) -> None:
    suite.edit("methods/pull.py", "steps: int = 4", "steps: list = 4")
    problem = suite.problem()
    assert problem.file == suite.root / "methods/pull.py"
    assert problem.field == "Pull.steps"


FULL = (
    f"{BENCHMARK}orders: [[beta, alpha]]\noptimizer: {{lr: 0.1}}\nmetrics: [dice]\npredictions: keep\n"
    "monitor: {every: 5}\n"
)
KEYS = sorted(set(Benchmark.model_fields) - {"extends", "heads", "name"})  # one letter makes seeds of heads


@st.composite
def misspelled(draw: st.DrawFn) -> tuple[str, str]:
    """A key of a definition and the same with one letter dropped, doubled, swapped or replaced."""
    key = draw(st.sampled_from(KEYS))
    at = draw(st.integers(0, len(key) - 2))
    letter = draw(st.sampled_from("abcdefghijklmnopqrstuvwxyz"))
    wrong = draw(
        st.sampled_from(
            [
                key[:at] + key[at + 1 :],
                key[:at] + key[at] + key[at:],
                key[:at] + key[at + 1] + key[at] + key[at + 2 :],
                key[:at] + letter + key[at + 1 :],
            ]
        )
    )
    return key, wrong


@settings(deadline=None, max_examples=40)
@given(pair=misspelled().filter(lambda pair: pair[0] != pair[1]))
def test_any_misspelled_key_is_refused_and_the_nearest_is_named(
    tmp_path_factory: pytest.TempPathFactory, pair: tuple[str, str]
) -> None:
    key, wrong = pair
    suite = make_suite(tmp_path_factory.mktemp("suite"))
    suite.write(BENCH, FULL)
    suite.benchmark(f"\n{key}:", f"\n{wrong}:")
    messages = {problem.field: problem.message for problem in suite.problems()}
    assert messages[wrong] == f"unknown key; did you mean {key!r}?"


def problems_of(suite: Suite) -> list[Problem]:
    try:
        suite.resolve()
    except DefinitionError as error:
        return error.problems
    return []


JUNK = st.sampled_from(
    [
        "null",
        "true",
        "-1",
        "0",
        "2.5",
        "text",
        "[]",
        "{}",
        "[1]",
        "[null]",
        "{a: 1}",
        "[[[]]]",
        "[{}]",
        "1e400",
        "''",
    ]
)


@settings(deadline=None)
@given(line=st.integers(0, len(BENCHMARK.splitlines()) - 1), junk=JUNK)
def test_whatever_stands_behind_a_key_there_is_a_result_or_problems_with_lines(
    tmp_path_factory: pytest.TempPathFactory, line: int, junk: str
) -> None:
    suite = make_suite(tmp_path_factory.mktemp("suite"))
    lines = BENCHMARK.splitlines()
    lines[line] = f"{lines[line].partition(':')[0]}: {junk}"
    if lines[line].startswith("protocols"):
        lines = [text for text in lines if not text.startswith("  ")]
    suite.write(BENCH, "\n".join(lines))
    found = problems_of(suite)
    assert all(problem.file and problem.message for problem in found)
    assert len(set(found)) == len(found)
