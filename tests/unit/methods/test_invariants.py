"""What every method must keep: neutral strength is fine-tuning, stage 1 is plain training, evidence is there."""

from __future__ import annotations

import math

import pytest
import torch

from clbench.job.assembly import assemble
from clbench.job.stage import trainee_of

EACH = "strength={},fisher=empirical,update=gradient,cap=true"
NEUTRAL = [
    "l2[strength=0]", "ewc[strength=0]", "ewc[strength=0,update=gradient]", "lwf[strength=0]", "blip[target_bits=0]",
    "replay[cases=2,share=0]", f"ewc-each[{EACH.format(0)}]", "si[strength=0]", "mas[strength=0]",
    "rwalk[strength=0,interval=1]", "finetune-low-rate[factor=1]", "wise[alpha=1]", "ema[decay=0]",
]  # fmt: skip
ACTIVE = [
    "l2[strength=1]", "ewc[strength=1]", "ewc[strength=1,update=gradient]", "lwf[strength=1]",
    "blip[target_bits=4]", "replay[cases=2,share=0.5]", "head-only", f"ewc-each[{EACH.format(1)}]", "si[strength=1]",
    "mas[strength=1]", "rwalk[strength=1,interval=1]", "finetune-low-rate[factor=0.1]", "wise[alpha=0.5]",
    "ema[decay=0.5]", "running-mean", "ties", "fisher-merge", "blip-strict", "magmax",
]  # fmt: skip
WATCHING = [name for name in (*NEUTRAL, *ACTIVE) if name.startswith(("si", "rwalk"))]
ALIKE_AT_STAGE_TWO = ["magmax"]  # a lone task vector: nothing to merge yet, and nothing claimed


def weights(run, baseline):
    return run.model(run.jobs(baseline)[-1])["network_weights"]


@pytest.mark.parametrize("baseline", NEUTRAL)
def test_neutral_strength_is_finetuning_to_the_bit_after_three_stages(tiny_run, baseline):
    finetuned, neutral = weights(tiny_run, "finetune"), weights(tiny_run, baseline)
    for name, value in finetuned.items():
        assert torch.equal(value, neutral[name]), name


@pytest.mark.parametrize("baseline", NEUTRAL)
def test_neutral_strength_is_found_inert_by_its_own_evidence(tiny_run, baseline):
    for job in tiny_run.jobs(baseline)[1:]:
        evidence = tiny_run.result(job)["evidence"]
        assert evidence["expected"]
        assert evidence["inert"], evidence


@pytest.mark.parametrize("baseline", ACTIVE)
def test_an_active_method_trains_other_weights_and_its_evidence_says_so(tiny_run, baseline):
    finetuned, active = weights(tiny_run, "finetune"), weights(tiny_run, baseline)
    assert any(not torch.equal(value, active[name]) for name, value in finetuned.items())
    for job in tiny_run.jobs(baseline)[2 if baseline in ALIKE_AT_STAGE_TWO else 1 :]:
        evidence = tiny_run.result(job)["evidence"]
        assert evidence["expected"]
        assert not evidence["inert"], evidence
        assert evidence["numbers"]["effect"] > 0


@pytest.mark.parametrize("baseline", [*NEUTRAL, *ACTIVE])
def test_every_number_of_the_evidence_is_finite(tiny_run, baseline):
    for job in tiny_run.jobs(baseline)[1:]:
        numbers = tiny_run.result(job)["evidence"]["numbers"]
        assert numbers
        for name, value in numbers.items():
            assert all(map(math.isfinite, value if isinstance(value, list) else [value])), name


def test_every_method_shares_stage_one_with_from_scratch_training(tiny_run):
    scratch = tiny_run.jobs("from-scratch", "from-scratch")[0]
    for baseline in ["finetune", *NEUTRAL, *ACTIVE]:
        assert (tiny_run.jobs(baseline)[0].id == scratch.id) == (baseline not in WATCHING)


@pytest.mark.parametrize("baseline", WATCHING)
def test_a_watched_first_stage_is_plain_training_to_the_bit_and_claims_no_effect(tiny_run, baseline):
    watched, plain = (tiny_run.jobs(name)[0] for name in (baseline, "finetune"))
    found, expected = tiny_run.model(watched), tiny_run.model(plain)
    for name, value in expected["network_weights"].items():
        assert torch.equal(value, found["network_weights"][name]), name
    for name, value in expected["clbench"]["heads"]["mini-liver"].items():
        assert torch.equal(value, found["clbench"]["heads"]["mini-liver"][name]), name
    result = tiny_run.result(watched)
    assert result["losses"] == tiny_run.result(plain)["losses"]
    assert result["measurements"] == tiny_run.result(plain)["measurements"]
    assert not result["evidence"]["expected"]
    assert result["evidence"]["numbers"]["stage_importance_mean"] > 0


def test_a_frozen_trunk_forgets_exactly_nothing(tiny_run):
    jobs = tiny_run.jobs("head-only")
    learnt = [tiny_run.dice(job) for job in jobs]
    for stage, task in enumerate(["mini-liver", "mini-spleen", "mini-kidney"]):
        for later in learnt[stage:]:
            assert later[task] == learnt[stage][task]
    first, last = (tiny_run.model(job)["network_weights"] for job in (jobs[0], jobs[-1]))
    for name, value in first.items():
        assert "seg_layers" in name or torch.equal(value, last[name]), name


@pytest.mark.parametrize(
    "baseline",
    [
        "ewc[strength=1]", "l2[strength=1]", "blip[target_bits=4]", f"ewc-each[{EACH.format(1)}]", "si[strength=1]",
        "mas[strength=1]", "rwalk[strength=1,interval=1]", "blip-strict",
    ],
)  # fmt: skip
def test_every_tensor_of_the_trunk_is_protected_transposed_convolutions_included(tiny_run, baseline):
    numbers = tiny_run.result(tiny_run.jobs(baseline)[1])["evidence"]["numbers"]
    model = tiny_run.model(tiny_run.jobs(baseline)[1])["network_weights"]
    storages = {value.data_ptr() for name, value in model.items() if "seg_layers" not in name}
    assert numbers["tensors_protected"] == numbers["tensors_expected"]
    assert 0 < numbers["tensors_expected"] <= len(storages)


BUFFERS = {
    "ewc[strength=1]": 1, "blip[target_bits=4]": 1.25, "blip-strict": 1.25, f"ewc-each[{EACH.format(1)}]": 2,
    "si[strength=1]": 1, "mas[strength=1]": 1, "rwalk[strength=1,interval=1]": 3, "fisher-merge": 1, "magmax": 3,
}  # fmt: skip


@pytest.mark.parametrize(("baseline", "size"), BUFFERS.items())
def test_memory_does_not_grow_with_the_number_of_tasks(tiny_run, baseline, size):
    jobs = tiny_run.jobs(baseline)[1:]
    bytes_ = [(tiny_run.store.job(job.id).path / "memory.pth").stat().st_size for job in jobs]
    parameters = tiny_run.result(jobs[0])["cost"]["parameters"]
    assert bytes_[1] - bytes_[0] < 0.1 * 4 * parameters  # one more buffer would be 4 bytes a parameter
    assert abs(bytes_[0] - size * 4 * parameters) < 20_000 * size + 20_000  # names and shapes of each tensor


@pytest.mark.parametrize(
    "baseline", ["wise[alpha=0.5]", "running-mean", "ema[decay=0.5]", "finetune-low-rate[factor=0.1]"]
)
def test_what_needs_no_memory_keeps_none(tiny_run, baseline):
    for job in tiny_run.jobs(baseline):
        assert not (tiny_run.store.job(job.id).path / "memory.pth").exists()


def test_ties_keeps_one_task_vector_more_per_stage(tiny_run):
    second, third = (checkpoint_of(tiny_run, job) for job in tiny_run.jobs("ties")[1:])
    assert [len(second["vectors"]), len(third["vectors"])] == [1, 2]
    parameters = tiny_run.result(tiny_run.jobs("ties")[1])["cost"]["parameters"]
    assert sum(t.numel() for t in second["vectors"][0]) == parameters


def checkpoint_of(run, job):
    return torch.load(run.store.job(job.id).path / "memory.pth", weights_only=True)


def test_replay_reports_its_burden_in_cases_and_megabytes(tiny_run):
    second, third = (tiny_run.result(job)["cost"] for job in tiny_run.jobs("replay[cases=2,share=0.5]")[1:])
    assert (second["kept_cases"], third["kept_cases"]) == (2, 4)
    assert third["remembered_mb"] > second["remembered_mb"] > 0


def trunks(run, baseline):
    """By stage, the trunk's tensors under every name that nnU-Net gives them."""
    models = [run.model(job)["network_weights"] for job in run.jobs(baseline)]
    return [{name: value for name, value in model.items() if "seg_layers" not in name} for model in models]


def test_wise_ends_its_second_stage_exactly_in_the_middle_of_finetunings_first_two(tiny_run):
    """Under every name: what is aliased has been moved once."""
    first, second, _ = trunks(tiny_run, "finetune")
    for name, value in trunks(tiny_run, "wise[alpha=0.5]")[1].items():
        assert torch.equal(value, torch.lerp(first[name], second[name], 0.5)), name


def test_magmax_holds_the_larger_of_finetunings_two_task_vectors_everywhere(tiny_run):
    first, second, third = trunks(tiny_run, "finetune")
    merged = trunks(tiny_run, "magmax")
    for name, base in first.items():
        assert torch.equal(merged[1][name], second[name]), name
        early, late = second[name] - base, third[name] - base
        expected = torch.where(late.abs() > early.abs(), third[name], base + early)
        assert torch.equal(merged[2][name], expected), name


def test_fisher_merging_ends_between_finetunings_first_two_trunks(tiny_run):
    first, second, _ = trunks(tiny_run, "finetune")
    for name, value in trunks(tiny_run, "fisher-merge")[1].items():
        low, high = torch.minimum(first[name], second[name]), torch.maximum(first[name], second[name])
        assert ((low <= value) & (value <= high)).all(), name


def test_a_lower_rate_shortens_the_first_step_by_its_factor(tiny_run):
    moved = {}
    for baseline in ("finetune", "finetune-low-rate[factor=0.1]"):
        stage, _, _ = assemble(trainee_of(tiny_run.jobs(baseline)[1], tiny_run.store))
        before = [p.detach().double() for p in stage.parameters]
        stage._iteration(0)
        moved[baseline] = torch.cat(
            [(p.detach() - b).flatten() for p, b in zip(stage.parameters, before, strict=True)]
        )
    ratio = moved["finetune-low-rate[factor=0.1]"].norm() / moved["finetune"].norm()
    assert float(ratio) == pytest.approx(0.1, rel=1e-3)
