"""test-method: whether a method keeps what every method must keep."""

from __future__ import annotations

import json
import sys
import tempfile
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import click

from clbench.cli.options import PATH, json_option, suite_option, trust_option
from clbench.conformance.finding import find_variant
from clbench.definitions.catalogue import Catalogue
from clbench.definitions.checks import scenario_message
from clbench.definitions.models import Scenario, Variant
from clbench.definitions.scenarios import SCENARIOS
from clbench.errors import ClbenchError
from clbench.plan.trust import require_trusted

if TYPE_CHECKING:
    from clbench.conformance.examine import Checked


@click.command("test-method")
@click.argument("name")
@suite_option
@trust_option
@click.option("--scenario", type=click.Choice(list(SCENARIOS)), help="This one alone.  [default: all it is for]")
@click.option("--keep", type=PATH, metavar="DIR", help="Train in DIR and keep it; a second call finds it there.")
@json_option
def test_method_command(
    name: str, suites: tuple[Path, ...], trust: bool, scenario: Scenario | None, keep: Path | None, as_json: bool
) -> None:
    """Train NAME on a tiny benchmark and check what every method must keep.

    NAME is a baseline that `clbench list` gives, tested at its card's settings, or a method, at its defaults.
    Ends with 3 if a check fails.
    """
    variant = find_variant(name, Catalogue.open(suites))
    scenarios = _scenarios(variant, scenario)
    require_trusted([variant.method_file], trust)
    from clbench.conformance.examine import examine
    from clbench.conformance.laboratory import Laboratory

    with _folder(keep) as root:
        checked = []
        for line in examine(Laboratory(Path(root)), variant, scenarios):
            checked.append(line)
            if not as_json:
                click.echo(_line(line))
    wrong = [line for line in checked if not line.verdict.sound]
    click.echo(_json(checked) if as_json else _summary(variant, checked, wrong))
    if wrong:
        sys.exit(3)


def _scenarios(variant: Variant, chosen: Scenario | None) -> tuple[Scenario, ...]:
    if chosen is None:
        return variant.scenarios
    if message := scenario_message(variant, chosen):
        raise ClbenchError(message)
    return (chosen,)


def _folder(keep: Path | None) -> AbstractContextManager[str]:
    if keep is None:
        return tempfile.TemporaryDirectory(prefix="clbench-")
    keep.mkdir(parents=True, exist_ok=True)
    return nullcontext(str(keep.absolute()))


def _line(line: Checked) -> str:
    return f"{line.verdict.outcome:11s}  {line.scenario.partition('-')[0]:6s}  {line.check}: {line.verdict.words}"


def _summary(variant: Variant, checked: list[Checked], wrong: list[Checked]) -> str:
    if wrong:
        return f"{variant.name}: {len(wrong)} of {len(checked)} checks failed or were not reached"
    return f"{variant.name}: {len(checked)} checks, nothing wrong"


def _json(checked: list[Checked]) -> str:
    lines = [
        {"scenario": line.scenario, "check": line.check, "outcome": line.verdict.outcome, "words": line.verdict.words}
        for line in checked
    ]
    return json.dumps(lines, indent=1)
