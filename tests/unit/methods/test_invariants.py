"""What is true of one method alone; what all must keep is in ``tests/conformance``."""

from __future__ import annotations

import pytest
import torch

from clbench.conformance.finding import find_variant
from clbench.definitions.catalogue import Catalogue
from clbench.job.assembly import assemble


def chain(laboratory, baseline, length=3):
    """A baseline's stages on the conformance suite's first tasks, at its card's settings."""
    return laboratory.chain("task-incremental", find_variant(baseline, Catalogue.open()), length)


def test_a_frozen_trunk_forgets_exactly_nothing(tiny_run):
    jobs = tiny_run.jobs("head-only")
    learnt = [tiny_run.dice(job) for job in jobs]
    for stage, task in enumerate(["mini-liver", "mini-spleen", "mini-kidney"]):
        for later in learnt[stage:]:
            assert later[task] == learnt[stage][task]
    first, last = (tiny_run.model(job)["network_weights"] for job in (jobs[0], jobs[-1]))
    for name, value in first.items():
        assert "seg_layers" in name or torch.equal(value, last[name]), name


@pytest.mark.parametrize("baseline", ["ewc", "l2", "blip", "ewc-each", "si", "mas", "rwalk", "blip-strict"])
def test_every_tensor_of_the_trunk_is_protected_transposed_convolutions_included(laboratory, baseline):
    second = chain(laboratory, baseline)[1]
    numbers = second.evidence["numbers"]
    weights = second.model["network_weights"]
    storages = {value.data_ptr() for name, value in weights.items() if "seg_layers" not in name}
    assert numbers["tensors_protected"] == numbers["tensors_expected"]
    assert 0 < numbers["tensors_expected"] <= len(storages)


@pytest.mark.parametrize("baseline", ["si", "rwalk"])
def test_a_watched_first_stage_gathers_importance(laboratory, baseline):
    assert chain(laboratory, baseline)[0].evidence["numbers"]["stage_importance_mean"] > 0


def test_replay_reports_its_burden_in_cases_and_megabytes(laboratory):
    second, third = (trained.document["cost"] for trained in chain(laboratory, "replay")[1:])
    assert (second["kept_cases"], third["kept_cases"]) == (4, 8)
    assert third["remembered_mb"] > second["remembered_mb"] > 0


def trunks(laboratory, baseline):
    """By stage, the trunk's tensors under every name that nnU-Net gives them."""
    models = [trained.model["network_weights"] for trained in chain(laboratory, baseline)]
    return [{name: value for name, value in model.items() if "seg_layers" not in name} for model in models]


def test_wise_ends_its_second_stage_exactly_in_the_middle_of_finetunings_first_two(laboratory):
    """Under every name: what is aliased has been moved once."""
    first, second, _ = trunks(laboratory, "finetune")
    for name, value in trunks(laboratory, "wise")[1].items():
        assert torch.equal(value, torch.lerp(first[name], second[name], 0.5)), name


def test_magmax_holds_the_larger_of_finetunings_two_task_vectors_everywhere(laboratory):
    first, second, third = trunks(laboratory, "finetune")
    merged = trunks(laboratory, "magmax")
    for name, base in first.items():
        assert torch.equal(merged[1][name], second[name]), name
        early, late = second[name] - base, third[name] - base
        expected = torch.where(late.abs() > early.abs(), third[name], base + early)
        assert torch.equal(merged[2][name], expected), name


def test_ties_keeps_one_task_vector_more_with_every_stage(laboratory):
    remembered = [trained.memory["vectors"] for trained in chain(laboratory, "ties")[1:]]
    assert [len(vectors) for vectors in remembered] == [1, 2]


def test_fisher_merging_ends_between_finetunings_first_two_trunks(laboratory):
    first, second, _ = trunks(laboratory, "finetune")
    for name, value in trunks(laboratory, "fisher-merge")[1].items():
        low, high = torch.minimum(first[name], second[name]), torch.maximum(first[name], second[name])
        assert ((low <= value) & (value <= high)).all(), name


def test_a_lower_rate_shortens_the_first_step_by_its_factor(laboratory):
    moved = {}
    for baseline in ("finetune", "finetune-low-rate"):
        stage, _, _ = assemble(chain(laboratory, baseline)[1].trainee)
        before = [p.detach().double() for p in stage.parameters]
        stage._iteration(0)
        moved[baseline] = torch.cat(
            [(p.detach() - b).flatten() for p, b in zip(stage.parameters, before, strict=True)]
        )
    ratio = moved["finetune-low-rate"].norm() / moved["finetune"].norm()
    assert float(ratio) == pytest.approx(0.1, rel=1e-3)
