"""What is shown while a run goes on."""

from __future__ import annotations

import io
import json
import os
import time
from typing import Any

import pytest
from rich.console import Console

from clbench.execute.backends import Local
from clbench.execute.engine import EngineFolder
from clbench.execute.progress import HEARTBEAT, Lines, Screen, Status, duration
from clbench.execute.watch import Watch


class Stage:
    """A watch whose engine is this test: it writes the events and tickets itself."""

    def __init__(self, scene: Any) -> None:
        self.folder = EngineFolder.of(scene.store, scene.run_folder)
        self.folder.prepare(scene.jobs, ["true"], Local(jobs=2).needs(scene.plan))
        (self.folder.path / "tickets").mkdir()
        self.scene = scene
        self.watch = Watch(scene.jobs, scene.store, self.folder, scene.run_folder / "engine.log")

    def event(self, event: str, job: str, ago: float = 0.0) -> None:
        """The engine started a job, or saw it fail."""
        with open(self.folder.events, "a") as file:
            file.write(json.dumps({"event": event, "id": job, "time": time.time() - ago}) + "\n")

    def finish(self, job: str) -> None:
        """A job left its result and ended."""
        self.scene.store.job(job).finish("result", {}, [])
        self.folder.ticket(job).touch()

    def progress(self, job: str, **said: Any) -> None:
        """A job tells how far it is."""
        path = self.scene.store.job(job).progress
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(said))


@pytest.fixture
def stage(scene: Any) -> Stage:
    """Three jobs of ten seconds in a row and two of ten seconds beside them."""
    scene.add("a", seconds=10)
    scene.add("b", "a", seconds=10)
    scene.add("c", "b", seconds=10)
    scene.add("d", seconds=10)
    scene.add("e", seconds=10)
    return Stage(scene)


def test_without_a_terminal_each_ended_job_is_one_line_with_its_place_and_time(scene: Any) -> None:
    scene.add("a")
    scene.add("b", "a")
    scene.add("c", "b")

    _, said = scene.carry_out(done={"a"})

    lines = said.splitlines()
    assert lines[0] == "2 of 3 jobs to do, 1 cached, on 2 cores, about 2 s"
    assert [line.rsplit("  ", 1)[0] for line in lines[1:]] == ["2/3  title of b", "3/3  title of c"]
    assert all(line.endswith(" s") for line in lines[1:])


def test_titles_and_logs_are_printed_as_they_are_however_long_or_bracketed(scene: Any) -> None:
    message = "[red]shape[/red] (1, 2) != " + "x" * 200
    scene.add("bad", error=message)

    _, said = scene.carry_out()

    assert f"    ValueError: {message}\n" in said


def test_a_sign_of_life_comes_only_after_a_silence(stage: Stage) -> None:
    said = io.StringIO()
    lines = Lines(Console(file=said), Status(stage.watch, 4, 2, "2 cores"))
    stage.event("started", "a")
    stage.watch.look()
    lines.tick()
    assert said.getvalue() == ""

    lines.said -= HEARTBEAT
    lines.tick()
    lines.tick()

    assert said.getvalue() == "0 done, 4 cached, 1 running, 4 waiting; 0 s so far, about 30 s left\n"


def test_on_a_terminal_running_jobs_stand_with_their_bar_and_their_words(stage: Stage) -> None:
    said = io.StringIO()
    screen = Screen(Console(file=said, force_terminal=True, width=120), Status(stage.watch, 0, 2, "2 cores"))
    screen.begin()
    stage.event("started", "a", ago=65)
    stage.progress("a", done=3, of=12, doing="epoch 3 of 12")
    stage.watch.look()
    screen.tick()
    screen.close()

    drawn = said.getvalue()
    row = next(line for line in drawn.splitlines() if "title of a" in line)
    assert "epoch 3 of 12" in row
    assert "1 min 05 s" in row
    assert "title of b" not in drawn
    assert "0 done, 0 cached, 1 running, 4 waiting" in drawn


def test_time_left_follows_the_pace_of_finished_jobs_and_the_share_of_running_ones(stage: Stage) -> None:
    status = Status(stage.watch, 0, 2, "2 cores")
    assert status.left == 30, "the chain is longer than 50 s on two cores"

    stage.event("started", "a", ago=20)
    stage.finish("a")
    stage.watch.look()
    assert status.left == pytest.approx(40, rel=0.01), "twice as slow, two of the chain left"

    stage.event("started", "b")
    stage.progress("b", done=1, of=2, doing="")
    stage.watch.look()
    assert status.left == pytest.approx(35, rel=0.01), "3.5 jobs of 20 s on two cores"


def test_progress_of_an_earlier_attempt_does_not_count(stage: Stage) -> None:
    stage.progress("a", done=9, of=10, doing="epoch 9")
    os.utime(stage.scene.store.job("a").progress, (1, 1))
    stage.event("started", "a")

    stage.watch.look()

    assert (stage.watch.running["a"].share, stage.watch.running["a"].doing) == (0.0, "")


@pytest.mark.parametrize("damaged", ["", '{"done": 1', '{"done": 1, "of": "x", "doing": ""}', "[]"])
def test_damaged_progress_does_not_disturb(stage: Stage, damaged: str) -> None:
    stage.event("started", "a")
    stage.progress("a", done=1, of=2, doing="well")
    stage.watch.look()
    stage.scene.store.job("a").progress.write_text(damaged)

    stage.watch.look()

    assert stage.watch.running["a"].doing == "well"


def test_a_half_written_event_is_read_when_it_is_whole(stage: Stage) -> None:
    whole = json.dumps({"event": "started", "id": "a", "time": 0.0}) + "\n"
    stage.folder.events.write_text(whole[:10])
    stage.watch.look()
    assert stage.watch.running == {}

    stage.folder.events.write_text(whole)
    stage.watch.look()

    assert list(stage.watch.running) == ["a"]


def test_jobs_behind_a_failure_are_counted_as_skipped_and_cost_no_time(stage: Stage) -> None:
    status = Status(stage.watch, 0, 2, "2 cores")
    stage.event("started", "b")
    stage.event("failed", "b")
    stage.watch.look()

    assert stage.watch.skipped == ("c",)
    assert status.counts() == "0 done, 0 cached, 0 running, 3 waiting, 1 failed, 1 skipped"
    assert status.left == 15


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.04, "0.0 s"), (8.24, "8.2 s"), (59.4, "59 s"), (59.6, "1 min 00 s"), (83, "1 min 23 s"),
     (3599.7, "1 h 00 min"), (7505, "2 h 05 min")],
)  # fmt: skip
def test_durations_read_well(seconds: float, words: str) -> None:
    assert duration(seconds) == words
