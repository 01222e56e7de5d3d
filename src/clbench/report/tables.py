"""All tables of a report: what stands in which cell; how a cell looks is ``render``'s."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from clbench.report.account_tables import (
    cost_table,
    evidence_details,
    evidence_table,
    excluded_table,
    missing_table,
    volume_table,
)
from clbench.report.comparison_tables import differences_table, ranking_table
from clbench.report.dice_tables import final_table, matrix_tables, metrics_table, stage_table
from clbench.report.drift_tables import drift_tables
from clbench.report.label_tables import transfer_label_tables
from clbench.report.passport_tables import passport_tables
from clbench.report.surface_tables import surface_tables
from clbench.report.table import Table
from clbench.report.transfer_tables import transfer_excluded_tables, transfer_tables, transfer_volume_tables
from clbench.results.model import Summary


def all_tables(summary: Summary) -> tuple[Table, ...]:
    """Every table of a report in its order; those without a line are left out."""
    measured = bool(summary.baselines) and not summary.benchmark.whole
    made = [
        *((final_table(summary), stage_table(summary), metrics_table(summary)) if measured else ()),
        *(matrix_tables(summary) if measured else ()),
        *transfer_tables(summary),
        *transfer_label_tables(summary),
        *((ranking_table(summary), differences_table(summary), volume_table(summary)) if measured else ()),
        *transfer_volume_tables(summary),
        *(surface_tables(summary) if measured else ()),
        *((excluded_table(summary),) if measured else ()),
        *transfer_excluded_tables(summary),
        *drift_tables(summary),
        *(passport_tables(summary) if measured else ()),
        cost_table(summary),
        evidence_table(summary),
        *evidence_details(summary),
        missing_table(summary),
    ]
    return tuple(_with_unique_slugs(table for table in made if table.rows))


def _with_unique_slugs(tables: Iterable[Table]) -> Iterable[Table]:
    """Names that differ only in their signs must not overwrite each other's files."""
    taken: set[str] = set()
    for table in tables:
        slug, number = table.slug, 2
        while slug in taken:
            slug, number = f"{table.slug}-{number}", number + 1
        taken.add(slug)
        yield replace(table, slug=slug)
