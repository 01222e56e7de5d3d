"""What people read: tables, the report's page and the short form for a terminal."""

from __future__ import annotations

from clbench.report.document import report_page, terminal_report
from clbench.report.table import Table
from clbench.report.tables import all_tables
from clbench.report.write import read_summary, write_report

__all__ = ["Table", "all_tables", "read_summary", "report_page", "terminal_report", "write_report"]
