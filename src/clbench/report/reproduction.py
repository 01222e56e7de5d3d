"""How a comparison looks: for a terminal, as Markdown and as JUnit XML for CI."""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree import ElementTree

from tabulate import tabulate

from clbench.results.description import Described
from clbench.results.gate import ALPHA, ENOUGH_SEEDS
from clbench.results.reproduction import Finding, Reproduction
from clbench.results.stat import Interval

HEADERS = ("baseline", "number", "verdict", "difference", "bounds", "reason")
DESCRIBED = ("baseline", "number", "seeds", "difference", "margin", "remark")
NO_SPREAD = "without margins for want of the reference's paired spread (`clbench reference RUN --paired OTHER`)"


def text(found: Reproduction) -> str:
    """What a terminal shows: what was judged and what was not, the verdicts, and the other numbers that stand out."""
    tables = [_findings(_shown(found), "simple"), *_stand_out(found, "simple")]
    return "\n\n".join([_head(found), *filter(None, tables)])


def markdown(found: Reproduction) -> str:
    """All numbers as a Markdown page; those that a reader must see first."""
    parts = [f"## {found.benchmark}: {found.verdict}", _head(found)]
    first = [_findings(_shown(found), "pipe"), *_stand_out(found, "pipe")]
    tables = "\n\n".join(filter(None, [_findings(found.findings, "pipe"), _described(found.description, "pipe")]))
    everything = f"<details><summary>All numbers</summary>\n\n{tables}\n\n</details>"
    return "\n\n".join([*parts, *filter(None, first), everything]) + "\n"


def junit(found: Reproduction) -> str:
    """A test suite with one test for each number that is judged; the description is its output.

    Drifted and missing ones failed. One without a verdict was skipped, or is an error if nothing has a verdict.
    """
    cases = [_test(one, found) for one in (*found.certificate, *found.findings)] or [_test_of_nothing(found)]
    counted = {"failures": "failure", "skipped": "skipped", "errors": "error"}
    counts = {name: str(sum(case.find(tag) is not None for case in cases)) for name, tag in counted.items()}
    name = f"{found.benchmark} v{found.version}"
    suite = ElementTree.Element("testsuite", {"name": name, "tests": str(len(cases)), **counts})
    suite.extend(cases)
    if found.description:
        output = f"{_head(found)}\n\n{_described(found.description, 'simple')}"
        ElementTree.SubElement(suite, "system-out").text = output
    return _xml(suite)


def outcome(found: Reproduction) -> str:
    """The verdict in a few words, with what has none and what would give it one."""
    if found.verdict == "not judged":
        few = len(found.seeds) < ENOUGH_SEEDS
        return f"not judged{f': {ENOUGH_SEEDS} seeds in common are needed' if few else ''}"
    return found.verdict + (f"; not judged: {', '.join(found.not_judged)}" if found.not_judged else "")


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


def _test(one: Finding, found: Reproduction) -> ElementTree.Element:
    case = ElementTree.Element("testcase", {"classname": one.baseline, "name": one.number})
    unjudged = "error" if found.verdict == "not judged" else "skipped"
    if one.verdict != "reproduced":
        tag = unjudged if one.verdict == "not judged" else "failure"
        ElementTree.SubElement(case, tag, {"message": f"{one.verdict}: {one.reason}"})
    return case


def _test_of_nothing(found: Reproduction) -> ElementTree.Element:
    case = ElementTree.Element("testcase", {"classname": found.benchmark, "name": "primary end points"})
    ElementTree.SubElement(case, "error", {"message": "not judged: the reference has no primary end point"})
    return case


def _xml(root: ElementTree.Element) -> str:
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _head(found: Reproduction) -> str:
    """First what was judged and what was not, then how."""
    first = f"{found.benchmark} v{found.version}: {found.verdict}; judged: {_judged(found)}; {_not_judged(found)}"
    often = sorted(found.counts.items(), key=lambda pair: -pair[1])
    counts = ", ".join(f"{number} {verdict}" for verdict, number in often)
    parted = f"\n{found.first_difference.words}" if found.first_difference else ""
    return f"{first}\n{counts or 'no end point'}; compared {_how(found)} ({found.why}){parted}"


def _judged(found: Reproduction) -> str:
    if found.mode == "exact":
        return f"{len(found.findings)} results under {_seeds(found)}"
    certificate = [f"the certificate's {len(found.certificate)} comparisons"] if found.certificate else []
    return ", ".join([*certificate, *found.judged]) or "nothing"


def _not_judged(found: Reproduction) -> str:
    further = [f"{len(found.description)} numbers that are only described"] if found.description else []
    return f"not judged: {', '.join([*found.not_judged, *further]) or 'nothing'}"


def _how(found: Reproduction) -> str:
    if found.mode == "exact":
        return "to the bit"
    known = f"the reference's spread of {found.spread_seeds} seeds" if found.spread_seeds else "these seeds"
    begun = "from the reference's networks, and " if found.certificate else ""
    return f"{begun}seed by seed under {_seeds(found)}, chance from {known}, false alarms at most {ALPHA:.0%}"


def _seeds(found: Reproduction) -> str:
    if not found.seeds:
        return "no common seed"
    return f"seed{'s' * (len(found.seeds) > 1)} {', '.join(map(str, found.seeds))}"


def _shown(found: Reproduction) -> list[Finding]:
    """Of very many equal bits nothing is to be seen; the few end points are shown whatever came of them."""
    if found.mode == "exact":
        return _differing(found.findings)
    return [*_differing(found.certificate), *found.findings]


def _differing(findings: Sequence[Finding]) -> list[Finding]:
    return [one for one in findings if one.verdict != "reproduced"]


def _stand_out(found: Reproduction, form: str) -> list[str]:
    """The numbers of the description that fell further than they should, and how many there are."""
    fallen = [one for one in found.description if one.fallen]
    if not found.description:
        return []
    bounded = any(one.margin is not None for one in found.description)
    fell = f"{len(fallen)} of them fell beyond chance"
    words = f"{len(found.description)} numbers are only described{'' if bounded else f', {NO_SPREAD}'}; {fell}"
    return [words, _described(fallen, form)]


def _findings(findings: Sequence[Finding], form: str) -> str:
    rows = [
        (one.baseline, one.number, one.verdict, _signed(one.difference), _bounds(one.interval), one.reason)
        for one in findings
    ]
    return tabulate(rows, headers=HEADERS, tablefmt=form, disable_numparse=True) if rows else ""


def _described(numbers: Sequence[Described], form: str) -> str:
    rows = [
        (one.baseline, one.number, one.seeds, _signed(one.difference), _margin(one.margin), _remark(one))
        for one in numbers
    ]
    return tabulate(rows, headers=DESCRIBED, tablefmt=form, disable_numparse=True) if rows else ""


def _margin(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def _remark(one: Described) -> str:
    same = f"the same as {', '.join(' '.join(name) for name in one.also)}" if one.also else ""
    return "; ".join(filter(None, [one.look, same]))


def _signed(value: float | None) -> str:
    return "" if value is None else f"{value + 0.0:+.4f}"


def _bounds(interval: Interval | None) -> str:
    return "" if interval is None else f"[{interval.low:+.3f}, {interval.high:+.3f}]"
