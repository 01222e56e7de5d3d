"""What every method must keep: neutral strength is fine-tuning, stage 1 is plain training, evidence is there."""

from __future__ import annotations

import pytest
import torch

NEUTRAL = [
    "l2[strength=0]", "ewc[strength=0]", "ewc[strength=0,update=gradient]", "lwf[strength=0]", "blip[target_bits=0]",
    "replay[cases=2,share=0]",
]  # fmt: skip
ACTIVE = [
    "l2[strength=1]", "ewc[strength=1]", "ewc[strength=1,update=gradient]", "lwf[strength=1]",
    "blip[target_bits=4]", "replay[cases=2,share=0.5]", "head-only",
]  # fmt: skip


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
    for job in tiny_run.jobs(baseline)[1:]:
        evidence = tiny_run.result(job)["evidence"]
        assert not evidence["inert"], evidence
        assert evidence["numbers"]["effect"] > 0


def test_every_method_shares_stage_one_with_from_scratch_training(tiny_run):
    scratch = tiny_run.jobs("from-scratch", "from-scratch")[0]
    for baseline in ["finetune", *NEUTRAL, *ACTIVE]:
        assert tiny_run.jobs(baseline)[0].id == scratch.id


def test_a_frozen_trunk_forgets_exactly_nothing(tiny_run):
    jobs = tiny_run.jobs("head-only")
    learnt = [tiny_run.dice(job) for job in jobs]
    for stage, task in enumerate(["mini-liver", "mini-spleen", "mini-kidney"]):
        for later in learnt[stage:]:
            assert later[task] == learnt[stage][task]
    first, last = (tiny_run.model(job)["network_weights"] for job in (jobs[0], jobs[-1]))
    for name, value in first.items():
        assert "seg_layers" in name or torch.equal(value, last[name]), name


@pytest.mark.parametrize("baseline", ["ewc[strength=1]", "l2[strength=1]", "blip[target_bits=4]"])
def test_every_tensor_of_the_trunk_is_protected_transposed_convolutions_included(tiny_run, baseline):
    numbers = tiny_run.result(tiny_run.jobs(baseline)[1])["evidence"]["numbers"]
    model = tiny_run.model(tiny_run.jobs(baseline)[1])["network_weights"]
    storages = {value.data_ptr() for name, value in model.items() if "seg_layers" not in name}
    assert numbers["tensors_protected"] == numbers["tensors_expected"]
    assert 0 < numbers["tensors_expected"] <= len(storages)


@pytest.mark.parametrize(("baseline", "size"), [("ewc[strength=1]", 1), ("blip[target_bits=4]", 1.25)])
def test_memory_does_not_grow_with_the_number_of_tasks(tiny_run, baseline, size):
    jobs = tiny_run.jobs(baseline)[1:]
    bytes_ = [(tiny_run.store.job(job.id).path / "memory.pth").stat().st_size for job in jobs]
    parameters = tiny_run.result(jobs[0])["cost"]["parameters"]
    assert bytes_[1] - bytes_[0] < 0.1 * 4 * parameters  # one more buffer would be 4 bytes a parameter
    assert bytes_[0] < size * 4 * parameters + 40_000


def test_replay_reports_its_burden_in_cases_and_megabytes(tiny_run):
    second, third = (tiny_run.result(job)["cost"] for job in tiny_run.jobs("replay[cases=2,share=0.5]")[1:])
    assert (second["kept_cases"], third["kept_cases"]) == (2, 4)
    assert third["remembered_mb"] > second["remembered_mb"] > 0
