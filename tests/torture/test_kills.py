"""kill -9 at random moments of a run, a hundred times: it is killed, goes on, is killed again."""

from __future__ import annotations

import random
import re
import signal
import time
from collections import Counter
from collections.abc import Iterator
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

from clbench.plan.sealed import read_plan_file
from clbench.store import read_sealed
from command_line import Undisturbed
from torture.conftest import abandoned, assert_nothing_lives, forget, left_in, litter
from torture.moments import Life

HERE = ("--store", "store", "--out", "run")
LATER = {
    "planning": 1.0, "preparing": 2.0, "training": 4.0, "evaluating": 0.5, "reporting": 1.0, "anywhere": 25.0
}  # fmt: skip
"""Aim → seconds after it came in sight within which the kill falls, in a run of a minute; 0 where none are given."""
SIDE_BY_SIDE = 4
"""Jobs that may end the epoch that they are at before they hear that their run was killed."""
INSTEAD = {"preparing": "beginning", "checkpoint": "evaluating"}
"""Aim → what is taken if it was missed."""
MIDDLE = ("training", "checkpoint", "anywhere", "evaluating", "result")
HIT = {"planning", "preparing", "training", "checkpoint", "evaluating", "result", "reporting"}


def _aims(draw: random.Random, kills: int) -> Iterator[str]:
    """What the kills of one whole run are aimed at: 10 to 35, as needed; it may come to its end in the middle."""
    more = MIDDLE * min(5, (kills - 5) // len(MIDDLE) - 1)
    yield from ("planning", "preparing", *MIDDLE)
    yield from draw.sample(more, len(more))
    yield from ("reporting", "planning", "reporting")


def test_wherever_a_run_is_killed_it_loses_an_epoch_at_most_and_ends_with_the_same_rows(
    program: Any, tortured: Undisturbed, temporary: Path, request: Any
) -> None:
    kills, draw = request.config.getoption("kills"), random.Random(request.config.getoption("seed"))
    start, memory = time.monotonic(), abandoned()
    fell, killed, runs, repeated = Counter[str](), 0, 0, 0
    while killed < kills:
        for phases in islice(_deaths(program, tortured, draw, kills), kills - killed):
            killed, fell = killed + 1, fell + Counter(phases)
            _assert_clean_death(program, temporary)
        said = program(*tortured.words, *HERE)
        assert said.code == 0, said.err
        assert "is in use" not in said.err
        assert (program.folder / "run" / "rows.csv").read_bytes() == tortured.rows
        assert not litter(program.folder)
        assert len(left_in(temporary)) <= 1  # a run that finds nothing to do needs no server, and sweeps none away
        runs, repeated = runs + 1, repeated + _repeated_epochs(program.folder)
        forget(program.folder)
        print(f"\n{killed} of {kills} kills, {time.monotonic() - start:.0f} s", end="", flush=True)
    assert abandoned() <= memory
    print(f"\n{killed} kills over {runs} runs in {time.monotonic() - start:.0f} s, {repeated} epochs repeated")
    print(", ".join(f"{phase} {number}" for phase, number in fell.most_common()))
    assert repeated <= 2 * kills, "two trainings side by side"
    assert kills < 50 or set(fell) >= HIT


def _deaths(program: Any, tortured: Undisturbed, draw: random.Random, kills: int) -> Iterator[frozenset[str]]:
    """Kill one whole run again and again; what it was at each time."""
    ended, pace = False, min(1.0, tortured.seconds / 60)
    for aim in _aims(draw, kills):
        if ended and aim in MIDDLE:
            continue  # a finished run plans and reports, no more
        later = draw.uniform(0, LATER.get(aim, 0.0)) * pace
        phases = _strike(_begin(program, tortured), aim, later, everything=draw.random() < 0.5)
        ended = ended or phases is None
        if phases is not None:
            yield phases


def _begin(program: Any, tortured: Undisturbed) -> Life:
    since = time.time()
    process = program.start(*tortured.words, *HERE)
    return Life(process, program.folder, tortured.jobs, since)


def _strike(life: Life, aim: str, later: float, everything: bool) -> frozenset[str] | None:
    """Kill a life some seconds after its aim came in sight; what it was at, or None if it came to its end before."""
    sought = {aim, INSTEAD.get(aim, aim)}
    while life.process.poll() is None:
        if aim == "anywhere" or sought & life.phases:
            time.sleep(later)
            life.signal_all(signal.SIGSTOP)
            phases = life.phases
            if sought & phases or later:
                if life.process.poll() is not None:
                    break
                _kill(life, everything)
                return phases
            life.signal_all(signal.SIGCONT)  # what was in sight is over
        time.sleep(0.002)
    said = life.process.communicate()
    assert life.process.returncode == 0, said
    return None


def _kill(life: Life, everything: bool) -> None:
    """Kill it; nothing may live on, be it until its job is done: nobody trains who was killed."""
    trained = life.epochs
    life.kill(everything)
    assert_nothing_lives(life.folder)
    assert life.epochs <= trained + (0 if everything else SIDE_BY_SIDE), "somebody trained on"


def _assert_clean_death(program: Any, temporary: Path) -> None:
    """Nothing is half-written, and of the temporary folders one at most is left to be swept."""
    for document in program.folder.glob("store/jobs/*/*.json"):
        if document.name in ("result.json", "trained.json"):
            read_sealed(document)  # raises if it is not whole
    if (program.folder / "run" / "plan.json").exists():
        read_plan_file(program.folder / "run" / "plan.json")
    assert len(left_in(temporary)) <= 1


def _repeated_epochs(folder: Path) -> int:
    """How many epochs were trained twice; never more than the last one of an attempt."""
    repeated = 0
    for log in folder.glob("store/jobs/stage*/log.txt"):
        said = re.findall(r"^epoch (\d+)/(\d+)", log.read_text(), re.MULTILINE)
        epochs = [int(number) for number, _ in said]
        steps = [later - earlier for earlier, later in pairwise(epochs)]
        assert set(steps) <= {0, 1}, f"{log}: {epochs}"
        assert (epochs[0], epochs[-1]) == (1, int(said[0][1])), f"{log}: {epochs}"
        repeated += steps.count(0)
    return repeated
