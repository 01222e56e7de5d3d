"""What was compared, what came out and how sure that is, in sentences for someone who reads nothing else."""

from __future__ import annotations

from collections.abc import Sequence

from clbench.report.render import cell_text
from clbench.report.table import labels
from clbench.results.model import BaselineSummary, Difference, Summary
from clbench.results.records import RESERVED

MOST_NAMES = 4
"""So many baselines are named in a sentence; of more, all but three are counted."""


def compared(summary: Summary) -> str:
    """How many methods and bounds a page shows."""
    bounds = sum(entry.name in RESERVED for entry in summary.baselines)
    counts = [(len(summary.baselines) - bounds, "method"), (bounds, "bound")]
    return ", ".join(f"{number} {word}{'' if number == 1 else 's'}" for number, word in counts if number)


def verdict(summary: Summary) -> list[str]:
    """The baseline with the highest mean at the end, which others can't be told apart from it, and the scale."""
    if summary.benchmark.whole:
        return [_whole(summary)]
    known = [entry for entry in summary.baselines if entry.protocol == "continual" and entry.final.mean]
    if not known:
        return ["Nothing is finished yet that could be compared."]
    best = _best(summary, known)
    return [
        f"{_came_out(summary, known, best)}.", _sure(summary, best), *_unfinished(summary), *_scale(summary, best)
    ]  # fmt: skip


def _whole(summary: Summary) -> str:
    info = summary.benchmark
    return (
        f"{len(info.sequence)} tasks were learnt with every case they have, so nothing of them is measured; the "
        f"{len(info.tuned)} fine-tunings are compared on {_listed(info.targets)}, in the section “Transfer”."
    )


def _came_out(summary: Summary, known: Sequence[BaselineSummary], best: BaselineSummary) -> str:
    name, mean = labels(summary)[best.name], cell_text(best.final.mean, 3)
    tasks = len(summary.benchmark.sequence)
    if len(known) == 1:
        return f"{name}, the only way of learning {tasks} tasks one after another that is finished, ends at {mean}"
    ways = f"Of {len(known)} ways to learn {tasks} tasks one after another"
    return f"{ways}, {name} ends with the highest mean Dice over all tasks, {mean}"


def _best(summary: Summary, known: Sequence[BaselineSummary]) -> BaselineSummary:
    """The first of the ranking; without one, the highest of those that are finished under most seeds."""
    if summary.ranks:
        return next(entry for entry in known if entry.name == summary.ranks[0].baseline)
    return max(known, key=lambda entry: (_seeds(entry), entry.final.mean.mean if entry.final.mean else 0.0))


def _seeds(entry: BaselineSummary) -> int:
    return entry.final.mean.seeds if entry.final.mean else 0


def _unfinished(summary: Summary) -> list[str]:
    """Which ways are not finished in all replicates, so that a place above or below the best says little."""
    ways = [entry for entry in summary.baselines if entry.protocol == "continual"]
    planned = max((entry.final.mean.planned for entry in ways if entry.final.mean), default=0)
    few = [entry for entry in ways if _seeds(entry) < planned]
    named = [f"{labels(summary)[entry.name]} ({_seeds(entry)} of {planned})" for entry in few]
    return [f"Not finished: {_listed(named)}; “Missing” says why."] if named else []


def _sure(summary: Summary, best: BaselineSummary) -> str:
    if len(summary.benchmark.seeds) == 1:
        return "That is one seed: nothing is ranked, and a difference between two lines may be chance."
    if not summary.ranks:
        return "Nothing is ranked: that needs at least two seeds under which all of them are finished."
    against = [entry for entry in summary.differences if best.name in (entry.first, entry.second)]
    tied = [labels(summary)[_other(entry, best)] for entry in against if entry.tie is not False]
    lower = sum(entry.tie is False for entry in against)
    often = summary.ranks[0].first
    share = "more than 99%" if often > 0.995 else f"{often:.0%}"  # a share of draws is no certainty
    first = f"It comes first in {share} of the draws of seeds and cases"
    ties = f"{_listed(tied)} can't be told apart from it" if tied else "no other is tied with it"
    beyond = f"; {lower} {'is' if lower == 1 else 'are'} lower by more than chance" if lower else ""
    return f"{first}; {ties}{beyond}."


def _scale(summary: Summary, best: BaselineSummary) -> list[str]:
    """What learning without a method and what training on everything at once reach."""
    finals = {entry.name: entry.final.mean for entry in summary.baselines if entry.name != best.name}
    words = {
        "finetune": "plain fine-tuning, which does nothing against forgetting, ends at",
        "joint": "training on all tasks at once reaches",
    }
    found = [f"{text} {finals[name].mean:.3f}" for name, text in words.items() if finals.get(name)]  # type: ignore[union-attr]
    return [f"For scale: {'; '.join(found)}."] if found else []


def _listed(names: Sequence[str]) -> str:
    if len(names) > MOST_NAMES:
        return f"{', '.join(names[:3])} and {len(names) - 3} others"
    return " and ".join([*([", ".join(names[:-1])] if names[1:] else []), names[-1]])


def _other(entry: Difference, best: BaselineSummary) -> str:
    return entry.second if entry.first == best.name else entry.first
