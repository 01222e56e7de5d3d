"""Every shipped baseline keeps what every method must keep, in every scenario that it is defined for."""

from __future__ import annotations

import pytest

from clbench.conformance.checks import CHECKS, ONCE
from clbench.conformance.examine import examine, name_of
from clbench.conformance.finding import find_variant
from clbench.definitions.catalogue import Catalogue

CATALOGUE = Catalogue.open()
BASELINES = {name: find_variant(name, CATALOGUE) for name in CATALOGUE.names("baseline")}
FIRST_OF_METHOD = {variant.method: name for name, variant in reversed(BASELINES.items())}
CASES = [
    (name, scenario) for name, variant in BASELINES.items() for scenario in variant.scenarios
    if scenario == variant.scenarios[0] or FIRST_OF_METHOD[variant.method] == name
]  # fmt: skip
"""Every baseline in its first scenario; one of each method in the others too."""

INERT = ("peer-fork-readme",)
"""Public code whose documented command does nothing: the suite must find that out, and nothing else against it."""


@pytest.mark.slow
@pytest.mark.parametrize(("baseline", "scenario"), CASES, ids=map(" in ".join, CASES))
def test_a_shipped_baseline_keeps_what_every_method_must_keep(laboratory, baseline, scenario):
    variant = BASELINES[baseline]
    whole = scenario == variant.scenarios[0]
    checked = list(examine(laboratory, variant, (scenario,), whole))
    assert {line.check for line in checked} == {name_of(check) for check in CHECKS if whole or check not in ONCE}
    unsound = [f"{line.check}: {line.verdict.words}" for line in checked if not line.verdict.sound]
    if baseline in INERT:
        (only,) = unsound
        assert "it would be stamped INERT" in only
    else:
        assert not unsound


def test_every_shipped_method_has_a_baseline_that_is_examined():
    assert set(CATALOGUE.names("method")) == {variant.method for variant in BASELINES.values()}
