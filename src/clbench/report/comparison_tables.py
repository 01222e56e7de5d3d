"""Baselines against each other: ranks, and which differences are larger than chance."""

from __future__ import annotations

from clbench.report.table import Cell, Table, counted, labels
from clbench.results.model import Difference, Rank, Summary
from clbench.results.stat import Stat


def ranking_table(summary: Summary) -> Table:
    """The continual baselines by their mean, each held against the one with the highest; empty with one seed."""
    against = {frozenset((entry.first, entry.second)): entry for entry in summary.differences}
    best = summary.ranks[0].baseline if summary.ranks else ""
    return Table(
        title="Ranking: how sure is the order of the final means?",
        slug="ranking",
        headers=("baseline", "mean", "comes first", "rank", "behind the best", "p (Holm)", "verdict"),
        rows=tuple(_rank_row(summary, rank, against.get(frozenset((best, rank.baseline)))) for rank in summary.ranks),
        note="Seeds and cases are drawn anew many times: how often a baseline comes first, and between which "
        "ranks it lies in 95 % of the draws. A tie is a difference that may be chance: ties have no order.",
        section="How sure",
        key_columns=(1, 4),
        counted=counted(summary),
    )


def differences_table(summary: Summary) -> Table:
    """Every pair of continual baselines; empty with one seed."""
    names = labels(summary)
    return Table(
        title="Differences: final mean of one baseline above another's",
        slug="differences",
        headers=("higher", "lower", "difference", "cases", "p", "p (Holm)", "effect", "verdict"),
        rows=tuple(
            (
                *(names[entry.first], names[entry.second], entry.difference, entry.cases),
                *(_p_text(entry.p), _p_text(entry.p_holm), entry.effect, _verdict(entry)),
            )
            for entry in summary.differences
        ),
        note="The interval is over seeds and cases; p is Wilcoxon's signed-rank test over cases, each averaged over "
        "seeds, and p (Holm) holds for all pairs together; effect is the rank-biserial correlation, 1 where every "
        "case is better. A tie: the interval has 0 in it, or p (Holm) is .05 or more.",
        section="How sure",
        text_columns=2,
        key_columns=(2,),
        counted=counted(summary),
    )


def _rank_row(summary: Summary, rank: Rank, behind: Difference | None) -> tuple[Cell, ...]:
    means = {entry.name: entry.final.mean for entry in summary.baselines}
    span = str(rank.best) if rank.best == rank.worst else f"{rank.best}–{rank.worst}"
    return (
        labels(summary)[rank.baseline],
        means[rank.baseline],
        f"{rank.first:.0%}",
        span,
        *(("", "", "") if behind is None else _behind(rank, behind)),
    )


def _behind(rank: Rank, behind: Difference) -> tuple[Stat, str, str | None]:
    """Over the replicates that both have, a lower rank may have the higher mean: then it is behind by less than 0."""
    stat = behind.difference if behind.second == rank.baseline else _negative(behind.difference)
    return stat, _p_text(behind.p_holm), _verdict(behind)


def _negative(stat: Stat) -> Stat:
    turned = stat.interval and stat.interval.model_copy(
        update={"low": -stat.interval.high, "high": -stat.interval.low}
    )
    return stat.model_copy(update={"mean": -stat.mean, "interval": turned})


def _p_text(p: float) -> str:
    return "< .001" if p < 0.001 else f"{p:.3f}"


def _verdict(entry: Difference) -> str | None:
    """None, a hole, where the pair has too few seeds for one."""
    return None if entry.tie is None else "tie" if entry.tie else "differs"
