"""What a recipe may say."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from clbench.definitions.anatomy_source import AnatomySource

RECIPE = {
    "kind": "anatomy",
    "scene": "abdomen",
    "focus": "liver",
    "organs": {"liver": "liver"},
    "spacing": [6, 6, 6],
}
LESION = {"organ": "liver", "radius_mm": [5, 9], "hu": [0, 20]}


def refusal(**fields: object) -> str:
    """The message with which a changed recipe is refused."""
    with pytest.raises(ValidationError) as caught:
        AnatomySource.model_validate(RECIPE | fields)
    return str(caught.value)


def test_what_is_left_out_has_the_measured_defaults() -> None:
    recipe = AnatomySource.model_validate(RECIPE)
    assert recipe.shape == (40, 40, 28)
    assert recipe.variation.scale == (0.85, 1.18)
    assert recipe.marked == ("liver",)


def test_a_recipe_survives_being_written_as_json() -> None:
    recipe = AnatomySource.model_validate(RECIPE | {"lesions": {"tumour": LESION}})
    assert AnatomySource.model_validate(recipe.model_dump(mode="json")) == recipe


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"focus": "brain"}, "focus"),
        ({"speed": 3}, "speed"),
        ({"scanner": {"blur": 3}}, "scanner.blur"),
        ({"focus": "tumour"}, "abdomen has every organ but tumour, not tumour"),
        ({"scene": "lung2"}, "lung2 has the outline of a tumour alone, not liver"),
        ({"organs": {}}, "no voxel is labelled"),
        ({"lesions": {"liver": LESION}}, "liver already named under organs"),
        ({"lesions": {"tumour": LESION | {"radius_mm": [9, 5]}}}, "goes down"),
        ({"lesions": {"tumour": LESION | {"count": [-1, 2]}}}, "greater than or equal to 0"),
        ({"spacing": [6, 6, 0]}, "greater than 0"),
        ({"scanner": {"blur_mm": 7}}, "exceeds the voxel size"),
        ({"scanner": {"noise_hu": -1}}, "greater than or equal to 0"),
        ({"variation": {"scale": [1.2, 0.9]}}, "goes down"),
    ],
)
def test_a_recipe_that_cannot_be_followed_is_refused(fields: dict[str, object], said: str) -> None:
    assert said in refusal(**fields)
