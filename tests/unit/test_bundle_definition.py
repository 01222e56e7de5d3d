"""A bundle's suite says what was run, whatever the definition is made of."""

from __future__ import annotations

from pathlib import Path

import pytest

from clbench.bundle.definition import lay_out, resolved_in, same, suite_files
from clbench.definitions.catalogue import Catalogue
from clbench.definitions.models import Resolved
from clbench.definitions.places import DataPlaces
from clbench.definitions.resolve import resolve


@pytest.mark.parametrize("name", Catalogue.open().names("benchmark"))
def test_every_shipped_definition_survives_its_own_bundle(name: str, tmp_path: Path) -> None:
    """As it is read back from a plan, with every default filled in."""
    planned = Resolved.model_validate_json(resolve(name, Catalogue.open()).model_dump_json())

    lay_out(tmp_path, suite_files(planned), planned.files.checkpoints)

    assert same(resolved_in(tmp_path, name, DataPlaces(tmp_path / "none")), planned)
