"""The report as a whole: a page in Markdown and the short form for a terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any

from clbench.report.account_tables import missing_table
from clbench.report.comparison_tables import ranking_table
from clbench.report.dice_tables import final_table, stage_table
from clbench.report.drift_tables import SECTION as DRIFT
from clbench.report.label_tables import transfer_label_tables
from clbench.report.render import HOLE, TERMINAL_WIDTH, markdown, terminal
from clbench.report.table import Table, several_orders, stamped
from clbench.report.tables import all_tables
from clbench.report.transfer_tables import transfer_tables
from clbench.results.model import BaselineSummary, Summary
from clbench.results.records import BenchmarkInfo

ONE_SEED = "one seed: no ranking"
_SEVERAL_SEEDS = (
    "[Low, high] is a 95 % interval over seeds and cases; where there is none, ± is the sample standard deviation."
)


def report_page(summary: Summary) -> str:
    """The whole report as a Markdown page."""
    sections = [*_sections(summary), _no_drift(summary)]
    parts = [_head(summary), _reach(summary), *sections, _provenance(summary), _reproduce(summary)]
    return "\n\n".join(part.strip() for part in parts if part) + "\n"


def terminal_report(summary: Summary) -> str:
    """What a run prints last: final Dice, ranks, per-stage Dice, transfer, then how far the numbers reach."""
    info = summary.benchmark
    sequence = () if info.whole else (final_table(summary), ranking_table(summary), stage_table(summary))
    shown = [*sequence, *transfer_tables(summary), *transfer_label_tables(summary), missing_table(summary)]
    head = f"{info.title}\n{info.name} v{info.version} · {seeds_words(info.seeds)}\n"
    head += "".join(f"{line}\n" for line in textwrap.wrap(subset_words(info), TERMINAL_WIDTH))
    if several_orders(summary):
        head += "".join(f"order {number}: {words}\n" for number, words in _numbered_orders(info))
    sentences = [textwrap.fill(text, TERMINAL_WIDTH) for text in limits(summary)]
    return "\n".join([head, *(terminal(table) for table in shown if table.rows), *sentences]) + "\n"


def limits(summary: Summary) -> list[str]:
    """How far the numbers reach: seeds, orders, inert methods, holes, and the benchmark's own caveats."""
    sentences = _replicate_sentences(summary.benchmark)
    if any(entry.inert for entry in summary.baselines):
        sentences.append("INERT: the method had no effect in a stage where it should; read it as finetune.")
    if summary.benchmark.as_original:
        sentences.append(
            "AS-ORIGINAL: of every training the model was kept that did best on the very cases that are reported, so "
            "its Dice is too high; compare it with numbers that were made the same way alone."
        )
    if summary.missing:
        sentences.append(f"{HOLE}: a result is missing; the list of missing results says why.")
    return [*sentences, _excluded_sentence(summary), *summary.benchmark.caveats]


def subset_words(info: BenchmarkInfo) -> str:
    """The sentence that says of which larger definition this is a part; empty where it is a whole one."""
    return f"SUBSET: this is {info.subset_of.words}." if info.subset_of else ""


def seeds_words(seeds: Sequence[int]) -> str:
    numbers = ", ".join(map(str, seeds))
    return f"seed {numbers} ({ONE_SEED})" if len(seeds) == 1 else f"seeds {numbers}"


def _replicate_sentences(info: BenchmarkInfo) -> list[str]:
    """What a number is the mean of, what its interval holds, and that one seed ranks nothing."""
    seeds = f"{len(info.seeds)} seed{'' if len(info.seeds) == 1 else 's'}"
    sure = _alone() if len(info.seeds) == 1 else [_SEVERAL_SEEDS]
    if len(info.orders) == 1:
        return sure if len(info.seeds) == 1 else [f"Numbers are means over {seeds}.", *sure]
    pairs = f"{seeds} × {len(info.orders)} orders = {len(info.seeds) * len(info.orders)} replicates"
    several = (
        f"What is learnt one task after another is the mean over {pairs}, each task whatever its place; "
        "from-scratch, joint and transfer have no further order and are taken over seeds alone."
    )
    return [several, *sure]


def _alone() -> list[str]:
    return [
        f"{ONE_SEED.capitalize()}; a difference between two lines may be chance.",
        "[Low, high] is a 95 % interval over cases only: another seed may well fall outside.",
    ]


def _numbered_orders(info: BenchmarkInfo) -> list[tuple[int, str]]:
    return [(number, " → ".join(tasks)) for number, tasks in enumerate(info.orders, start=1)]


def _excluded_sentence(summary: Summary) -> str:
    readings = [entry.final for entry in summary.baselines]
    readings += [entry.after_stage for entry in summary.baselines if entry.after_stage is not None]
    in_sequence = any(any(then.excluded) for then in readings)
    if in_sequence or any(point.excluded for point in summary.transfer):
        return "Where reference and prediction are both empty there is no Dice: counted, and in no mean."
    return "No case was excluded: reference and prediction are never both empty."


def _head(summary: Summary) -> str:
    info = summary.benchmark
    lines = [
        f"# {info.title}",
        "",
        f"Benchmark `{info.name}`, version {info.version}, {seeds_words(info.seeds)}.",
        "",
        *([f"**{subset_words(info)}**", ""] if info.subset_of else []),
        "## What was run",
        "",
        *_order_lines(info),
    ]
    if info.targets:
        lines.append(f"- Held out, learnt afterwards from every backbone: {', '.join(info.targets)}")
    lines += [f"- Schedule `{name}` of the fine-tuning: {words}" for name, words in info.schedules]
    if info.whole:
        lines.append("- Trained on with every case (fold all), so that the sequence itself is not measured")
    return "\n".join([*lines, *(_baseline_line(entry) for entry in summary.baselines)])


def _order_lines(info: BenchmarkInfo) -> list[str]:
    orders = _numbered_orders(info)
    if len(orders) == 1:
        return [f"- Tasks, in the order in which they are learnt: {orders[0][1]}"]
    return [f"- Tasks, in order {number}: {words}" for number, words in orders]


def _baseline_line(entry: BaselineSummary) -> str:
    stamps = stamped(entry).removeprefix(entry.name)
    return f"- `{entry.name}`{stamps}: {entry.title}"


def _reach(summary: Summary) -> str:
    legend = f"In the tables “{HOLE}” is a missing or undefined number; an empty cell does not apply."
    return "## How far these numbers reach\n\n" + _bullets([*limits(summary), legend])


def _sections(summary: Summary) -> list[str]:
    sections = groupby(all_tables(summary), key=lambda table: table.section)
    return [_section(title, list(members)) for title, members in sections]


def _no_drift(summary: Summary) -> str:
    """Why there is no table of drift; it says itself what is missing of it."""
    words = "" if summary.drift.points else summary.drift.words
    return f"## {DRIFT}\n\n{words}" if words else ""


def _section(title: str, tables: Sequence[Table]) -> str:
    parts = [f"### {table.title}\n\n{markdown(table)}\n{table.note}" for table in tables]
    return "\n\n".join([f"## {title}", *parts])


def _provenance(summary: Summary) -> str:
    lines = [f"{name}: {value}" for name, value in flat(summary.provenance)]
    return "## Provenance\n\n" + _bullets(lines) if lines else ""


def flat(entries: Mapping[str, Any], prefix: str = "") -> Iterable[tuple[str, str]]:
    for name, value in entries.items():
        if isinstance(value, Mapping):
            yield from flat(value, f"{prefix}{name}.")
        elif isinstance(value, list | tuple):
            yield f"{prefix}{name}", ", ".join(map(str, value)) or "none"
        else:
            yield f"{prefix}{name}", str(value)


def _reproduce(summary: Summary) -> str:
    command = summary.provenance.get("command", f"clbench run {summary.benchmark.name}")
    files = (
        "All measurements are in `rows.csv`, the numbers of this page in `summary.json`, "
        "each table in `tables/` as Markdown, CSV and LaTeX."
    )
    return f"## Reproduce\n\n```\n{command}\n```\n\n{files}"


def _bullets(lines: Iterable[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)
