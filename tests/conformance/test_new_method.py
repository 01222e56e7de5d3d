"""What `clbench new method` writes works before a word of it is changed."""

from __future__ import annotations

from pathlib import Path

import pytest

from clbench.conformance.examine import examine
from clbench.conformance.finding import find_variant
from clbench.definitions.catalogue import Catalogue
from clbench.definitions.places import DataPlaces
from clbench.scaffold.method import write_method
from clbench.scaffold.suite import Suite


@pytest.mark.slow
def test_a_new_method_keeps_what_every_method_must_keep(laboratory, tmp_path: Path):
    write_method(Suite(tmp_path, (), DataPlaces.default()), "my-idea")
    variant = find_variant("my-idea", Catalogue.open((tmp_path,)))
    checked = list(examine(laboratory, variant, variant.scenarios, True))
    assert {line.scenario for line in checked} == {"task-incremental", "domain-incremental", "class-incremental"}
    assert not [f"{line.check}: {line.verdict.words}" for line in checked if not line.verdict.sound]
