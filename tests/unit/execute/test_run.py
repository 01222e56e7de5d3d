"""Carrying plans out with the real engine."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from clbench.errors import MissingEnvironment
from clbench.execute.backends import Local, Needs
from clbench.execute.lifetime import TIME_LIMIT
from clbench.plan import Plan


def test_a_job_starts_only_after_all_its_parents_have_left_their_results(scene: Any) -> None:
    scene.add("prepare", kind="prepare", sleep=0.3)
    scene.add("left", "prepare", sleep=0.2)
    scene.add("right", "prepare", sleep=0.5)
    scene.add("last", "left", "right")

    outcome, _ = scene.carry_out()

    assert outcome.exit_code == 0
    assert sorted(outcome.finished) == ["last", "left", "prepare", "right"]
    for job in scene.jobs.values():
        for parent in job.parents:
            assert scene.result(parent)["ended"] <= scene.result(job.id)["began"]


def test_two_independent_jobs_run_side_by_side_on_two_cores(scene: Any) -> None:
    scene.add("a", sleep=0.8)
    scene.add("b", sleep=0.8)

    scene.carry_out()

    a, b = scene.result("a"), scene.result("b")
    assert max(a["began"], b["began"]) < min(a["ended"], b["ended"])


def test_a_failing_job_costs_only_its_dependants_and_tells_its_last_lines(scene: Any) -> None:
    scene.add("bad", say="reading case 7", error="case 7 has no spleen")
    scene.add("child of bad", "bad")
    scene.add("grandchild of bad", "child of bad")
    scene.add("good", sleep=0.5)
    scene.add("child of good", "good")

    outcome, said = scene.carry_out()

    assert outcome.exit_code == 3
    assert sorted(outcome.finished) == ["child of good", "good"]
    assert outcome.skipped == ("child of bad", "grandchild of bad")
    failure = outcome.failed["bad"]
    assert "reading case 7" in failure.reason
    assert failure.reason[-1] == "ValueError: case 7 has no spleen"
    assert failure.log == scene.store.job("bad").log
    assert said.count("ValueError: case 7 has no spleen") == 2, "at once, and again at the end"


def test_a_reason_never_comes_from_an_earlier_attempt(scene: Any) -> None:
    scene.add("bad", error="first")
    scene.carry_out()
    log = scene.store.job("bad").log
    log.write_text("\n".join(f"old line {number}" for number in range(100)) + "\n")
    scene.add("bad", error="second")

    outcome, _ = scene.carry_out()

    assert outcome.failed["bad"].reason[-1] == "ValueError: second"
    assert len(outcome.failed["bad"].reason) == 15


def test_a_job_killed_by_a_signal_is_reported_as_killed(scene: Any) -> None:
    scene.add("hungry", say="allocating", signal=int(signal.SIGKILL))

    outcome, _ = scene.carry_out()

    first, last = outcome.failed["hungry"].reason
    assert first == "allocating"
    assert last == "hungry: the job's process was killed by signal 9; was memory short?"


@pytest.mark.parametrize("hangs", [{"sleep": 3600}, {"signal": int(signal.SIGSTOP)}], ids=["sleeps", "is stopped"])
def test_a_job_that_takes_longer_than_it_may_is_killed_and_the_others_are_done(
    scene: Any, hangs: dict[str, int]
) -> None:
    scene.add("hangs", **hangs)
    scene.add("after", "hangs")
    scene.add("quick")

    outcome, _ = scene.carry_out(backend=Seconds(jobs=2, minutes=1))

    assert outcome.finished == ("quick",)
    assert outcome.skipped == ("after",)
    last = outcome.failed["hangs"].reason[-1]
    assert last == "hangs: the job's process was killed by signal 14: it took longer than --time-limit allows"
    assert scene.processes() == []


class Seconds(Local):
    """A minute of a limit is a second here."""

    def needs(self, plan: Plan) -> dict[str, Needs]:
        """One second a minute."""
        return {
            name: Needs(given.threads, {TIME_LIMIT: str(int(given.environment[TIME_LIMIT]) // 60)}, given.resources)
            for name, given in super().needs(plan).items()
        }


def test_a_job_that_ends_well_without_a_result_has_failed(scene: Any) -> None:
    scene.add("lazy", code=0)
    log = scene.store.job("lazy").log
    log.parent.mkdir(parents=True)
    log.write_text("an earlier attempt\n")
    os.utime(log, (1, 1))

    outcome, _ = scene.carry_out()

    assert outcome.failed["lazy"].reason == ("it ended without leaving a result",)


def test_done_jobs_are_not_handed_to_the_engine(scene: Any) -> None:
    scene.add("a")
    scene.add("b", "a")
    scene.carry_out(done={"b"})
    assert scene.starts == ["a"]

    outcome, said = scene.carry_out(done={"a"})

    assert scene.starts == ["a", "b"]
    assert outcome.finished == ("b",)
    assert said.startswith("1 of 2 jobs to do, 1 cached")


def test_with_everything_done_no_engine_is_started(scene: Any) -> None:
    scene.add("a")

    outcome, said = scene.carry_out(done={"a"})

    assert (outcome.finished, outcome.exit_code) == ((), 0)
    assert said.startswith("nothing to do: all 1 jobs are cached")
    assert not (scene.run_folder / "engine.log").exists()


def test_results_that_another_run_left_meanwhile_survive_a_failing_engine_job(scene: Any) -> None:
    scene.add("shared", error="interrupted")
    sealed = scene.store.job("shared").finish("result", {"by": "another run"}, [])

    outcome, _ = scene.carry_out()

    assert "shared" in outcome.failed
    assert scene.result("shared") == sealed


def test_the_longest_chain_starts_first(scene: Any) -> None:
    for name in "abc":
        scene.add(name, seconds=3)
    scene.add("head", seconds=1)
    scene.add("tail", "head", seconds=8)

    scene.carry_out(cores=1)

    assert scene.starts[:2] == ["head", "tail"]


def test_a_prepare_job_is_told_all_cores_and_every_process_computes_with_one_thread(scene: Any) -> None:
    scene.add("prepare", kind="prepare")
    scene.add("stage", "prepare")

    scene.carry_out(cores=3)

    assert scene.result("prepare")["environment"] == {"CLBENCH_THREADS": "3", "OMP_NUM_THREADS": "1"}
    assert scene.result("stage")["environment"] == {"CLBENCH_THREADS": "1", "OMP_NUM_THREADS": "1"}


def test_any_command_can_do_the_jobs(scene: Any) -> None:
    scene.add("a")
    code = (
        "import sys; from pathlib import Path; from clbench.store import Store;"
        "Store(Path(sys.argv[1])).job(sys.argv[2]).finish('result', {'braces': '{x}'}, [])"
    )

    outcome, _ = scene.carry_out(command=[sys.executable, "-c", code, str(scene.store.root)])

    assert outcome.finished == ("a",)


def test_an_engine_that_breaks_is_reported_with_its_own_last_words(scene: Any, monkeypatch: Any) -> None:
    scene.add("a")
    broken = scene.root / "snakemake.py"
    broken.write_text("raise SystemExit('snakemake is broken')")
    monkeypatch.setenv("PYTHONPATH", str(scene.root), prepend=":")

    with pytest.raises(MissingEnvironment) as error:
        scene.carry_out()

    assert "snakemake is broken" in str(error.value)
    assert str(scene.run_folder / "engine.log") in str(error.value)


def test_an_engine_that_ends_for_want_of_disk_is_reported_with_that_reason(
    scene: Any, disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.add("a")
    scene.run_folder = disk / "run"
    scene.run_folder.mkdir()
    (scene.root / "snakemake.py").write_text(f"open({str(disk / 'ballast')!r}, 'wb').write(bytes(2**25))")
    monkeypatch.setenv("PYTHONPATH", str(scene.root), prepend=":")

    with pytest.raises(MissingEnvironment, match="the disk is full; free some space"):
        scene.carry_out()


def test_a_home_that_cannot_be_written_is_no_obstacle(scene: Any, monkeypatch: Any) -> None:
    scene.add("a")
    monkeypatch.setenv("HOME", "/proc/nobody")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)

    outcome, _ = scene.carry_out()

    assert outcome.finished == ("a",)


def test_a_store_that_cannot_be_written_is_named(scene: Any) -> None:
    scene.add("a")
    (scene.store.root / "engine").write_text("in the way")

    with pytest.raises(MissingEnvironment, match=str(Path(scene.store.root / "engine"))):
        scene.carry_out()


def test_nothing_is_left_in_the_engines_folder_or_running_after_a_run(scene: Any) -> None:
    scene.add("a")
    scene.add("bad", error="no")

    scene.carry_out()

    assert list((scene.store.root / "engine").iterdir()) == []
    assert scene.processes() == []


def test_no_module_of_the_working_folder_takes_the_engines_place(
    scene: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.add("a")
    folder = tmp_path / "strangers"
    folder.mkdir()
    for module in ("snakemake", "stand_in", "socket", "yaml"):
        (folder / f"{module}.py").write_text(f"open({str(tmp_path / 'trace')!r}, 'w'); raise SystemExit(1)")
    monkeypatch.chdir(folder)

    outcome, said = scene.carry_out()

    assert outcome.exit_code == 0, said
    assert not (tmp_path / "trace").exists()
