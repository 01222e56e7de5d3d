"""How a comparison looks: for a terminal, as Markdown and as JUnit XML for CI."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from xml.etree import ElementTree

from tabulate import tabulate

from clbench.results.gate import BOTH_SIDES
from clbench.results.reproduction import Finding, Reproduction
from clbench.results.stat import Interval

HEADERS = ("baseline", "number", "verdict", "difference", "bounds", "reason")


def text(found: Reproduction, everything: bool = False) -> str:
    """What a terminal shows: the verdict, then the numbers that are not simply reproduced, or all of them."""
    shown = found.findings if everything else [one for one in found.findings if one.verdict != "reproduced"]
    table = _table(shown, "simple")
    return "\n\n".join([_head(found), *([table] if shown else [])])


def markdown(found: Reproduction) -> str:
    """All numbers as a Markdown page; those that are not simply reproduced first."""
    other = [one for one in found.findings if one.verdict != "reproduced"]
    parts = [f"## {found.benchmark}: {found.verdict}", _head(found), *([_table(other, "pipe")] if other else [])]
    everything = f"<details><summary>All numbers</summary>\n\n{_table(found.findings, 'pipe')}\n\n</details>"
    return "\n\n".join([*parts, everything]) + "\n"


def junit(found: Reproduction) -> str:
    """A test suite with one test for each number; drifted and missing ones failed, inconclusive ones were skipped."""
    counts = {name: str(number) for name, number in {
        "tests": len(found.findings), "failures": found.counts["drifted"] + found.counts["missing"],
        "skipped": found.counts["inconclusive"], "errors": 0,
    }.items()}  # fmt: skip
    suite = ElementTree.Element("testsuite", {"name": f"{found.benchmark} v{found.version}", **counts})
    suite.extend(_tests(found))
    return _xml(suite)


def not_judged_markdown(benchmark: str, words: str) -> str:
    """What stands in a page where a benchmark could not be judged."""
    return f"## {benchmark}: not judged\n\n{words}\n"


def not_judged_junit(benchmark: str, words: str, failed: bool) -> str:
    """A test suite with one test, which ended with an error if something failed, and else was skipped."""
    counts = {"tests": "1", "failures": "0", "skipped": str(int(not failed)), "errors": str(int(failed))}
    suite = ElementTree.Element("testsuite", {"name": benchmark, **counts})
    case = ElementTree.SubElement(suite, "testcase", {"classname": benchmark, "name": "run"})
    ElementTree.SubElement(case, "error" if failed else "skipped", {"message": words})
    return _xml(suite)


def junit_of_all(suites: Sequence[str]) -> str:
    """Several test suites in one file."""
    root = ElementTree.Element("testsuites")
    root.extend(ElementTree.fromstring(suite) for suite in suites)
    return _xml(root)


def _tests(found: Reproduction) -> Iterator[ElementTree.Element]:
    for one in found.findings:
        case = ElementTree.Element("testcase", {"classname": one.baseline, "name": one.number})
        if one.verdict != "reproduced":
            tag = "skipped" if one.verdict == "inconclusive" else "failure"
            ElementTree.SubElement(case, tag, {"message": f"{one.verdict}: {one.reason}"})
        yield case


def _xml(root: ElementTree.Element) -> str:
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _head(found: Reproduction) -> str:
    often = sorted(found.counts.items(), key=lambda pair: -pair[1])
    counts = ", ".join(f"{number} {verdict}" for verdict, number in often)
    how = "to the bit" if found.mode == "exact" else f"within a margin of {found.margin:g}, over seeds and cases"
    return f"{found.benchmark} v{found.version}: {counts}\ncompared {how} ({found.why}){_chance(found)}"


def _chance(found: Reproduction) -> str:
    """How many numbers chance alone may call drifted, each being judged by itself."""
    judged = sum(one.interval is not None for one in found.findings)
    errors = round((1 - BOTH_SIDES) / 2 * judged)
    return f"\nof {judged} numbers, each judged by itself, about {errors} may drift by chance" if errors else ""


def _table(findings: Sequence[Finding], form: str) -> str:
    rows = [
        (one.baseline, one.number, one.verdict, _signed(one.difference), _bounds(one.interval), one.reason)
        for one in findings
    ]
    return tabulate(rows, headers=HEADERS, tablefmt=form, disable_numparse=True)


def _signed(value: float | None) -> str:
    return "" if value is None else f"{value + 0.0:+.4f}"


def _bounds(interval: Interval | None) -> str:
    return "" if interval is None else f"[{interval.low:+.3f}, {interval.high:+.3f}]"
