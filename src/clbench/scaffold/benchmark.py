"""A benchmark over a user's own datasets."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from clbench.definitions.catalogue import FOLDERS
from clbench.errors import ClbenchError
from clbench.scaffold.suite import Suite, flow
from clbench.scaffold.tasks import card_text, find_dataset, task_of

HEAD = """\
# clbench run {name}
name: {name}
version: 1                          # raise it whenever results would change
title: {title}
scenario: task-incremental          # a head for each task; which task a case belongs to is known when it is tested
sequence: {sequence}                # the order in which they are learnt
backbone:
  configuration: 3d_fullres         # or 3d_lowres
  plans: {plans}                     # {plans_words}
"""
REST = """\
budget: {epochs: 1000, epoch: {iterations: 250}, batch: 2}      # nnU-Net's own length, for every stage
"""
SEQUENCE = """\
sample: {split: last-fifth}         # of the sorted cases the last fifth is reported, the rest is trained on
protocols:
  from-scratch: {}                  # each task alone: what there is to learn
  continual: {baselines: [finetune, ewc, lwf, replay]}      # finetune forgets; `clbench list` names more
"""
PRETRAINING = """\
sample: {fold: all, split: last-fifth}      # every case pretrains; of the target's the last fifth is reported
protocols:
  continual: {baselines: [pretrained]}
"""
TRANSFER = """\
  transfer:                         # the held-out task, learnt from each backbone and from scratch
    targets: {targets}
    from: {starts}
    # epochs: [100, 300, 1000]      # when it is measured on the way; left out, at the end alone
"""
SEEDS = """\
seeds: [0]                          # three or more, such as [0, 1, 2], before anything is ranked
"""
WORDS = {
    "shared": "one nnU-Net plan of all tasks' cases; `clbench preflight` shows what each loses",
    "target": "the held-out task's own plan, as nnU-Net pretrains",
}


def write_benchmark(suite: Suite, name: str, sources: Sequence[str], targets: Sequence[str]) -> list[Path]:
    """Write a benchmark and the cards of those of its datasets that have none yet.

    Args:
        suite: where it is written.
        name: of the benchmark.
        sources: datasets or tasks in the order in which they are learnt.
        targets: those held out.

    Returns:
        The files that were written, the benchmark last.

    Raises:
        ClbenchError: there is nothing to learn one after another, or something does not fit together.
        MissingEnvironment: a dataset is not there.
    """
    if len(sources) == 1 and not targets:
        raise ClbenchError("one dataset can't be forgotten: give --from two or more, or one and a --target")
    file = suite.new_file("benchmark", name)
    cards: dict[Path, str] = {}
    made: dict[Path, Path] = {}
    sequence, held_out = ([_task(suite, one, cards, made) for one in group] for group in (sources, targets))
    suite.write({**cards, file: benchmark_text(name, sequence, held_out)})
    return [*cards, file]


def benchmark_text(name: str, sequence: Sequence[str], targets: Sequence[str]) -> str:
    """The definition: with one task it is nnU-Net's pretraining and fine-tuning, else a sequence."""
    pretraining = len(sequence) == 1
    plans = "target" if pretraining and len(targets) == 1 else "shared"
    starts = ["pretrained"] if pretraining else ["finetune", "ewc", "lwf", "replay"]
    title = f"{', '.join(sequence)}{' in sequence' if not pretraining else ' first'}"
    title += f", then {', '.join(targets)}" if targets else ""
    head = HEAD.format(name=name, title=flow(title), sequence=flow(sequence), plans=plans, plans_words=WORDS[plans])
    transfer = TRANSFER.format(targets=flow(targets), starts=flow(starts)) if targets else ""
    return head + REST + (PRETRAINING if pretraining else SEQUENCE) + transfer + SEEDS


def _task(suite: Suite, reference: str, cards: dict[Path, str], made: dict[Path, Path]) -> str:
    """The name of a task: that of a card, or of a dataset, whose card is then added to ``cards`` if it has none."""
    catalogue = suite.catalogue()
    if catalogue.find("task", reference):
        return reference
    dataset = find_dataset(reference, suite.data)
    written = {folder: file.stem for file, folder in made.items()}
    if dataset.folder in written:
        return written[dataset.folder]
    name, known = task_of(dataset, catalogue, suite.data, written.values())
    if not known:
        file = suite.folder / FOLDERS["task"] / f"{name}.yaml"
        cards[file], made[file] = card_text(name, dataset), dataset.folder
    return name
