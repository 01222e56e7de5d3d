"""Cases of the embedded tasks: the same everywhere, labelled within their scheme, never empty."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from clbench.data.anatomy import shipped_anatomy
from clbench.data.generate import Case, generate_case
from clbench.definitions.anatomy_source import AnatomySource
from clbench.definitions.catalogue import Catalogue
from clbench.definitions.models import TaskCard
from clbench.errors import DefinitionError
from machine import clean_environment

TASKS = tuple(name for name in Catalogue.open().names("task") if name.startswith("mini-"))
SOME = range(5)

GOLDEN = {
    ("mini-liver", 0): "bc69044d224f95ba6a694f1a87f58c3ba8bc37d2d7befc0c9ca20970be9eb90c",
    ("mini-lung", 17): "a6cce54c49f467295ca8b455eef9272d8681b1c85cf959d47a268e4c4675c7bd",
    ("mini-colon", 3): "3c3ed509044da24aad6362d0f82ff305fa8962c58a552ceea20189d0c58f1e98",
    ("mini-kidney", 59): "278af8f37fd3096c538e6a4de1f140136b2f07694787a8ab5b39e1a338870f43",
}


def card(name: str) -> TaskCard:
    """A shipped task's card."""
    return Catalogue.open().task(name)


def source(name: str) -> AnatomySource:
    """A shipped task's recipe."""
    found = card(name).source
    assert isinstance(found, AnatomySource)
    return found


def digest(case: Case) -> str:
    """SHA-256 of a case's voxels, little endian."""
    return hashlib.sha256(case.image.astype("<i2").tobytes() + case.label.tobytes()).hexdigest()


def digests() -> dict[tuple[str, int], str]:
    """Digests of the recorded cases as this machine makes them."""
    return {(name, index): digest(generate_case(card(name), index)) for name, index in GOLDEN}


def test_the_seven_tasks_are_shipped() -> None:
    organs = ("colon", "hepaticvessel", "kidney", "liver", "lung", "pancreas", "spleen")
    assert {f"mini-{organ}" for organ in organs} <= set(TASKS)


def test_this_machine_makes_the_recorded_cases() -> None:
    assert digests() == GOLDEN


def test_a_machine_without_vector_instructions_makes_the_same_cases() -> None:
    from numpy._core._multiarray_umath import __cpu_dispatch__, __cpu_features__

    features = " ".join(name for name in __cpu_dispatch__ if __cpu_features__.get(name))
    script = f"import runpy; print(runpy.run_path({__file__!r})['digests']())"
    environment = clean_environment() | {"NPY_DISABLE_CPU_FEATURES": features, "CLBENCH_ARITHMETIC": "native"}
    environment["PYTHONPATH"] = str(Path(__file__).parents[2])
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True)
    assert done.stdout.strip() == str(GOLDEN), done.stderr


@pytest.mark.parametrize("name", TASKS)
def test_the_same_case_is_made_twice(name: str) -> None:
    first, second = generate_case(card(name), 7), generate_case(card(name), 7)
    assert first.image.tobytes() == second.image.tobytes()
    assert first.label.tobytes() == second.label.tobytes()


@pytest.mark.parametrize("name", TASKS)
def test_cases_have_the_recipes_shape_and_differ(name: str) -> None:
    cases = [generate_case(card(name), index) for index in SOME]
    assert {case.image.shape for case in cases} == {case.label.shape for case in cases} == {source(name).shape}
    assert {case.spacing for case in cases} == {source(name).spacing}
    assert len({digest(case) for case in cases}) == len(cases)


@pytest.mark.parametrize("name", TASKS)
def test_labels_stay_in_the_scheme_and_each_occurs(name: str) -> None:
    found = {int(value) for index in range(12) for value in np.unique(generate_case(card(name), index).label)}
    assert found == {0, *card(name).original_labels.values()}


@pytest.mark.parametrize("name", TASKS)
def test_every_case_has_enough_foreground_to_learn_from(name: str) -> None:
    for index in range(15):
        foreground = np.isin(generate_case(card(name), index).label, sum(card(name).labels.values(), ()))
        assert foreground.sum() >= 50
        assert not foreground.all()


@pytest.mark.parametrize("name", [name for name in TASKS if source(name).scene == "abdomen"])
def test_abdominal_images_show_organs_that_other_tasks_label(name: str) -> None:
    labelled = {organ for task in TASKS for organ in source(task).organs.values() if source(task).scene == "abdomen"}
    others = sorted(labelled - set(source(name).organs.values()))
    everything = source(name).model_copy(update={"organs": {organ: organ for organ in others}, "lesions": {}})
    numbers = {organ: place for place, organ in enumerate(others, start=1)}
    marking = card(name).model_copy(update={"source": everything, "original_labels": numbers})
    assert all(generate_case(marking, index).label.any() for index in SOME)


def test_marking_other_organs_does_not_change_the_image() -> None:
    unmarked = source("mini-spleen").model_copy(update={"organs": {"spleen": "liver"}})
    other = card("mini-spleen").model_copy(update={"source": unmarked})
    assert np.array_equal(generate_case(other, 0).image, generate_case(card("mini-spleen"), 0).image)


def test_contrast_medium_brightens_vessels_and_kidneys() -> None:
    plain = source("mini-kidney").variation.model_copy(update={"organ_hu": 0, "phase_hu": 0})
    rise = []
    for phase in (0, 200):
        recipe = source("mini-kidney").model_copy(
            update={"variation": plain.model_copy(update={"phase_hu": phase}), "lesions": {}}
        )
        case = generate_case(card("mini-kidney").model_copy(update={"source": recipe}), 1)
        rise.append((case.image[case.label > 0].mean(), case.image[case.label == 0].mean()))
    assert rise[1][0] > rise[0][0] + 20
    assert abs(rise[1][1] - rise[0][1]) < 10


def test_the_lung_tumour_has_about_its_real_volume() -> None:
    voxel = np.prod(source("mini-lung").spacing) / 1000
    volumes = [generate_case(card("mini-lung"), index).label.sum() * voxel for index in range(15)]
    scene = shipped_anatomy().scenes["lung2"]
    real = (scene.organs > 0).sum() * np.prod(scene.spacing) / 1000
    assert np.mean(volumes) == pytest.approx(real, rel=0.35)


def test_another_name_gives_other_cases() -> None:
    renamed = card("mini-liver").model_copy(update={"name": "mini-liver-again"})
    assert digest(generate_case(renamed, 0)) != digest(generate_case(card("mini-liver"), 0))


def test_a_label_without_a_number_is_refused() -> None:
    unnumbered = card("mini-liver").model_copy(update={"original_labels": {"liver": 1}})
    with pytest.raises(DefinitionError, match=r"mini-liver: original_labels: has no number for tumour"):
        generate_case(unnumbered, 0)


def test_a_card_of_another_source_is_refused() -> None:
    downloaded = card("mini-liver").model_copy(update={"source": None})
    with pytest.raises(DefinitionError, match=r"mini-liver: source: must be of kind anatomy"):
        generate_case(downloaded, 0)
