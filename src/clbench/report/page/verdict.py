"""What came out and how sure that is, in two sentences for someone who reads nothing else."""

from __future__ import annotations

from collections.abc import Sequence

from clbench.report.render import cell_text
from clbench.report.table import labels
from clbench.results.model import BaselineSummary, Difference, Summary


def verdict(summary: Summary) -> list[str]:
    """The baseline with the highest mean at the end, and which others can't be told apart from it."""
    known = [entry for entry in summary.baselines if entry.protocol == "continual" and entry.final.mean]
    if not known:
        return ["Nothing is finished yet that could be compared."]
    best = _best(summary, known)
    mean = cell_text(best.final.mean, 3)
    ways = f"Of {len(known)} ways to learn one task after another"
    came = f"{labels(summary)[best.name]} ends with the highest mean Dice over all tasks, {mean}"
    return [f"{ways}, {came}.", _sure(summary, best)]


def _best(summary: Summary, known: Sequence[BaselineSummary]) -> BaselineSummary:
    if summary.ranks:
        return next(entry for entry in known if entry.name == summary.ranks[0].baseline)
    return max(known, key=lambda entry: entry.final.mean.mean if entry.final.mean else 0.0)


def _sure(summary: Summary, best: BaselineSummary) -> str:
    if len(summary.benchmark.seeds) == 1:
        return "That is one seed: nothing is ranked, and a difference between two lines may be chance."
    if not summary.ranks:
        return "Too little is finished under several seeds to rank anything."
    against = [entry for entry in summary.differences if best.name in (entry.first, entry.second)]
    tied = [labels(summary)[_other(entry, best)] for entry in against if entry.tie is not False]
    lower = sum(entry.tie is False for entry in against)
    first = f"It comes first in {summary.ranks[0].first:.0%} of the draws of seeds and cases"
    ties = f"{', '.join(tied)} can't be told apart from it" if tied else "no other is tied with it"
    beyond = f"; {lower} {'is' if lower == 1 else 'are'} lower by more than chance" if lower else ""
    return f"{first}; {ties}{beyond}."


def _other(entry: Difference, best: BaselineSummary) -> str:
    return entry.second if entry.first == best.name else entry.first
