"""The certificate: rounding passes, a fault in all of a method's stages or a large one in one of them does not."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from clbench.results.arrays import ArrayDifference, JobArrays, Trace, first_difference
from clbench.results.certificate import (
    DICE_TOLERANCE,
    NARROW,
    WIDE,
    Certificate,
    Check,
    KeptModel,
    KeptStage,
    Measured,
    Repeated,
    check,
    deviation_of,
)

WAY = tuple(float(i % 7 - 3) for i in range(64))


def trace(deviation: float = 0.0, look: str = "6", **others: tuple[float, ...]) -> Trace:
    """A trace whose weights are apart from ``WAY`` by a share of it."""
    moved = {"1": WAY, "6": WAY, "12": WAY} | {look: tuple(value * (1 + deviation) for value in WAY)}
    return Trace(losses=(1.0,) * 12, moved={**moved, **others})


def certificate(*names: str) -> Certificate:
    kept = ((name, f"{name} · {stage}") for name in names for stage in (2, 3))
    stages = tuple(KeptStage(job=job, baseline=name, parent="01", trace=trace()) for name, job in kept)
    return Certificate(stages=stages, models=())


def failed(found: Certificate, **deviations: tuple[float, float]) -> list[str]:
    traces = {f"{name} · {i}": trace(value) for name, two in deviations.items() for i, value in enumerate(two, 2)}
    done = check(found, Repeated(arithmetic="native", traces=traces, dice={}))
    return [one.job for one in done if not one.passed]


def test_the_deviation_is_relative_to_the_reference_s_way() -> None:
    assert deviation_of(trace(0.25), trace(), "6") == pytest.approx(0.25)
    assert deviation_of(trace(0.25), trace(), "12") == 0
    assert deviation_of(trace(), Trace(losses=(), moved={}), "6") is None


def test_rounding_passes_and_so_does_a_discontinuity_in_one_stage() -> None:
    both = certificate("ewc", "blip")
    assert failed(both, ewc=(2e-6, 3e-6), blip=(5e-4, 2e-6)) == []


def test_a_fault_is_found_by_its_size_in_one_stage_or_by_being_in_all() -> None:
    both = certificate("ewc", "blip")
    assert failed(both, ewc=(2e-6, 3e-6), blip=(1e-2, 2e-6)) == ["blip · 2"]
    assert failed(both, ewc=(2e-6, 3e-6), blip=(4e-4, 9e-4)) == ["blip"]
    assert WIDE > NARROW


def test_a_baseline_with_one_stage_has_no_nearest_one() -> None:
    one = Certificate(stages=certificate("joint").stages[:1], models=())
    assert [each.job for each in check(one, Repeated(arithmetic="", traces={"joint · 2": trace(5e-4)}, dice={}))] == [
        "joint · 2"]  # fmt: skip


def test_a_random_start_is_judged_after_one_iteration() -> None:
    begun = Certificate(stages=(KeptStage(job="a", baseline="a", parent="", trace=trace()),), models=())
    (found,) = check(begun, Repeated(arithmetic="", traces={"a": trace(0.5)}, dice={}))
    assert found.passed, "iteration 6 is chaos there"
    (found,) = check(begun, Repeated(arithmetic="", traces={"a": trace(0.5, look="1")}, dice={}))
    assert not found.passed


def test_a_stage_that_is_shorter_is_judged_at_its_last_sketch() -> None:
    short = Trace(losses=(1.0,) * 4, moved={"1": WAY})
    begun = Certificate(stages=(KeptStage(job="a", baseline="a", parent="01", trace=short),), models=())
    for here, passed in ((short, True), (trace(0.5, look="1"), False)):
        (found,) = check(begun, Repeated(arithmetic="", traces={"a": here}, dice={}))
        assert (found.what, found.passed) == ("weights after iteration 1", passed)


@pytest.mark.parametrize("folder", ["../../elsewhere", "/etc", "01/..", "01\n"])
def test_a_certificate_names_no_network_outside_its_folder(folder: str) -> None:
    with pytest.raises(ValidationError):
        KeptStage(job="a", baseline="a", parent=folder, trace=trace())
    with pytest.raises(ValidationError):
        KeptModel(job="a", baseline="a", folder=folder, dice=())


def test_a_stage_that_the_run_lacks_does_not_pass() -> None:
    (one, *_) = check(certificate("ewc"), Repeated(arithmetic="", traces={}, dice={}))
    assert (one.deviation, one.passed, one.words) == (None, False, "the run has no such result")


@pytest.mark.parametrize(("here", "passes"), [
    ((0.8, 0.7), True), ((0.8 + DICE_TOLERANCE / 2, 0.7), True), ((0.8 + 2 * DICE_TOLERANCE, 0.7), False),
    ((0.8, None), False), ((0.8,), False),
])  # fmt: skip
def test_predictions_are_compared_case_by_case(here: tuple[float | None, ...], passes: bool) -> None:
    def dice(values: tuple[float | None, ...]) -> tuple[Measured, ...]:
        return tuple(Measured(task="t", case=str(i), label="l", value=v) for i, v in enumerate(values))

    model = KeptModel(job="a", baseline="a", folder="01", dice=dice((0.8, 0.7)))
    repeated = Repeated(arithmetic="", traces={}, dice={"a": dice(here)})
    (found,) = check(Certificate(stages=(), models=(model,)), repeated)
    assert found.passed == passes


def arrays(job: str, traced: Trace | None = None, **values: str) -> JobArrays:
    return JobArrays(job=job, baseline="ewc", arrays=values, trace=traced)


def test_the_first_difference_is_in_the_order_in_which_arrays_are_made() -> None:
    reference = [arrays("one", a="1", b="2"), arrays("two", trace(), a="1")]
    assert first_difference(reference, reference) is None
    found = first_difference([arrays("two", trace(), a="9"), arrays("one", a="1", b="9")], reference)
    assert found == ArrayDifference(job="one", baseline="ewc", array="b")


def test_of_a_stage_the_weights_of_its_first_iterations_come_first() -> None:
    reference = [arrays("two", trace(), a="1")]
    found = first_difference([arrays("two", trace(0.1, look="12"), a="9")], reference)
    assert found is not None
    assert found.array == "weights after iteration 12"


def test_a_loss_comes_before_the_weights_that_its_iteration_updates() -> None:
    reference = [arrays("two", trace(), a="1")]
    for look, loss, wanted in ((6, 6, "loss of iteration 6"), (6, 7, "weights after iteration 6")):
        losses = tuple(1.0 if iteration < loss else 2.0 for iteration in range(1, 13))
        other = trace(0.1, look=str(look)).model_copy(update={"losses": losses})
        found = first_difference([arrays("two", other, a="9")], reference)
        assert found is not None
        assert found.array == wanted


def test_what_only_one_side_has_is_passed_over() -> None:
    assert first_difference([arrays("one", a="1")], [arrays("one", a="1", b="2"), arrays("two", c="3")]) is None


def test_a_check_says_its_number() -> None:
    assert Check(baseline="a", job="a", what="w", deviation=3e-3, tolerance=WIDE).words == (
        "deviates by 3.0e-03, at most 2e-03")  # fmt: skip
