"""Fine-tuning on schedules and from checkpoints: what moves, when, at which rate, and from where."""

from __future__ import annotations

import copy
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.conftest import TinyRun, carry_out_here

from clbench.errors import ClbenchError, MissingEnvironment
from clbench.job.assembly import assemble
from clbench.job.export import export
from clbench.job.stage import trainee_of
from clbench.nnunet.pretrained import read_trunk
from clbench.plan import StageSpec
from clbench.run import Places
from clbench.store import Store

EPOCHS, STEPS, RATE, MOMENTUM = 3, 2, 0.05, 0.9
SCHEDULES = """\
    schedules:
      - plain
      - {name: gentle, lr: 0.01, warmup: 4}
      - {name: head-first, head_first: 2}
      - {name: frozen-encoder, freeze: encoder}
      - {name: frozen-trunk, freeze: trunk}
      - {name: short, epochs: 2}
"""
TUNED = f"""\
name: tuned
version: 1
title: Fine-tuning on every schedule
scenario: task-incremental
sequence: [mini-liver]
backbone: {{configuration: 3d_fullres, spacing: {[12] * 3}, patch: {[16] * 3}, features: [4, 8, 8], mirror: false}}
optimizer: {{lr: {RATE}, momentum: {MOMENTUM}, warmup: 1}}
budget: {{epochs: {EPOCHS}, epoch: {{iterations: {STEPS}}}, batch: 2}}
sample: {{train: 4, val: 1, seed: 0}}
protocols:
  continual: {{baselines: [finetune]}}
  transfer:
    targets: [mini-lung]
    from: FROM
    epochs: [1, 2, 3]
{SCHEDULES}seeds: [0]
"""


def planned(root: Path, starts: str = "[finetune]", schedules: str = SCHEDULES) -> Any:
    """The plan of the benchmark ``tuned`` with these backbones and schedules, in a store that all share."""
    (root / "benchmark").mkdir(exist_ok=True)
    text = TUNED.replace("FROM", starts).replace(SCHEDULES, schedules)
    (root / "benchmark" / "tuned.yaml").write_text(text)
    return Places((root,), root / "store").plan("tuned")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> TinyRun:
    """A backbone fine-tuned on every schedule."""
    root = tmp_path_factory.mktemp("tuned")
    plan = planned(root)
    done = TinyRun(plan, Store(root / "store"))
    carry_out_here(plan, done.store)
    return done


def job_of(run: TinyRun, schedule: str = "plain", backbone: str = "finetune") -> Any:
    name = backbone if schedule == "plain" else f"{backbone} · {schedule}"
    (job,) = run.jobs(name, "transfer")
    return job


def weights(run: TinyRun, job: Any, name: str = "checkpoint_final") -> dict[str, torch.Tensor]:
    found: dict[str, torch.Tensor] = run.model(job, name)["network_weights"]
    return found


def moved(before: dict[str, torch.Tensor], after: dict[str, torch.Tensor]) -> dict[str, bool]:
    """Of every tensor that both networks have, whether a bit of it changed; aliases are left out."""
    own = [name for name in before if "all_modules" not in name and not name.startswith("decoder.encoder.")]
    return {name: not torch.equal(before[name], after[name]) for name in own if "seg_layers" not in name}


def start_and(run: TinyRun, schedule: str, name: str = "checkpoint_final") -> dict[str, bool]:
    """What a schedule has moved of the backbone that it started from."""
    (backbone,) = run.jobs("finetune")
    return moved(weights(run, backbone), weights(run, job_of(run, schedule), name))


def test_the_plain_schedule_is_the_transfer_of_a_definition_without_schedules(run: TinyRun, tmp_path: Path) -> None:
    without = planned(tmp_path, schedules="")
    ids = [use.job for use in without.uses]
    assert ids == [use.job for use in run.plan.uses if " · " not in use.baseline]
    for job in without.jobs[1:]:
        assert not {"head_first", "freeze", "start"} & StageSpec.model_validate(job.spec).identity.keys()


def test_the_head_alone_moves_in_its_first_epochs_and_everything_does_afterwards(run: TinyRun) -> None:
    for epoch in (1, 2):
        assert not any(start_and(run, "head-first", f"checkpoint_epoch{epoch:04d}").values())
    first, second = (weights(run, job_of(run, "head-first"), f"checkpoint_epoch000{epoch}") for epoch in (1, 2))
    # The coarsest head has no weight in the loss (nnU-Net's deep supervision), so that it need not move.
    head = [name for name in first if "decoder.seg_layers" in name and name.endswith("weight")][-1]
    assert not torch.equal(first[head], second[head])
    assert all(start_and(run, "head-first").values())


def test_a_frozen_encoder_keeps_every_bit_to_the_end_while_the_decoder_moves(run: TinyRun) -> None:
    changed = start_and(run, "frozen-encoder")
    encoder = {name for name in changed if name.startswith("encoder.")}
    assert encoder
    assert {name for name, did in changed.items() if did} == set(changed) - encoder


def test_a_frozen_trunk_keeps_every_bit_to_the_end(run: TinyRun) -> None:
    assert not any(start_and(run, "frozen-trunk").values())
    assert all(start_and(run, "plain").values())


def rates(run: TinyRun, schedule: str) -> list[float]:
    """The learning rate of every step, as the optimiser has it."""
    stage, _, _ = assemble(trainee_of(job_of(run, schedule), run.store))
    seen: list[float] = []
    step = stage.step

    def noted(*arguments: Any) -> torch.Tensor:
        seen.append(stage.optimizer.param_groups[0]["lr"])
        return step(*arguments)

    stage.step = noted  # type: ignore[method-assign]
    for _ in range(stage.schedule.epochs):
        stage.train_epoch()
    return seen


def test_the_rate_of_a_schedule_rises_over_its_own_warmup_and_falls_to_its_own_end(run: TinyRun) -> None:
    decay = [(1 - epoch / EPOCHS) ** 0.9 for epoch in range(EPOCHS) for _ in range(STEPS)]
    ramp = [0.25, 0.5, 0.75, 1.0, 1.0, 1.0]
    assert rates(run, "gentle") == [pytest.approx(0.01 * a * b, rel=1e-12) for a, b in zip(ramp, decay, strict=True)]
    assert rates(run, "plain") == [pytest.approx(RATE * a, rel=1e-12) for a in decay]
    half = [1.0, 1.0, 0.5**0.9, 0.5**0.9]
    assert rates(run, "short") == [pytest.approx(RATE * a, rel=1e-12) for a in half]


def test_a_shorter_training_is_measured_up_to_its_own_end(run: TinyRun) -> None:
    measured = run.result(job_of(run, "short"))["measurements"]
    assert [entry["epoch"] for entry in measured if entry["metric"] == "dice"] == [1, 2]


@pytest.mark.parametrize("killed", [1, 2])
def test_a_head_first_training_goes_on_to_the_same_bits_wherever_it_was_killed(run: TinyRun, killed: int) -> None:
    trainee = trainee_of(job_of(run, "head-first"), run.store)
    stage, _, _ = assemble(trainee)
    for _ in range(killed):
        stage.train_epoch()
    state = copy.deepcopy(stage.state())
    resumed, _, _ = assemble(trainee)
    resumed.load_state(state)
    while resumed.epoch < EPOCHS:
        resumed.train_epoch()
    expected = weights(run, job_of(run, "head-first"))
    found = resumed.network.nnunet_weights("mini-lung")
    assert all(torch.equal(value, expected[name]) for name, value in found.items())


def test_a_stage_that_was_exported_is_as_good_a_start_as_the_stage_itself(run: TinyRun) -> None:
    (backbone,) = run.jobs("finetune")
    root = run.store.root.parent
    export(run.plan, backbone, run.store, root / "exported")

    plan = planned(root, "[finetune, {checkpoint: ../exported, name: exported}]")

    again = TinyRun(plan, run.store)
    for schedule in ("plain", "head-first"):
        own, other = job_of(again, schedule), job_of(again, schedule, "exported")
        assert own.id != other.id
        carry_out_here(plan.model_copy(update={"jobs": (other,)}), run.store)
        expected, found = weights(again, own), weights(again, other)
        assert expected.keys() == found.keys()
        assert all(torch.equal(expected[name], found[name]) for name in expected)
        assert again.result(own)["measurements"] == again.result(other)["measurements"]


def test_other_bytes_of_a_checkpoint_are_another_job(run: TinyRun, tmp_path: Path) -> None:
    (backbone,) = run.jobs("finetune")
    file = run.store.job(backbone.id).path / "model" / "fold_0" / "checkpoint_final.pth"
    plans = []
    for extra in (b"", b"", b"x"):
        (tmp_path / "own.pth").write_bytes(file.read_bytes() + extra)
        plans.append(planned(tmp_path, f"[{{checkpoint: {tmp_path}/own.pth, name: own}}]"))
    ids = [[use.job for use in plan.uses if use.baseline == "own"] for plan in plans]
    assert ids[0] == ids[1]
    assert not set(ids[0]) & set(ids[2])


def test_a_checkpoint_that_changes_or_goes_after_the_run_was_planned_is_refused(run: TinyRun, tmp_path: Path) -> None:
    file = tmp_path / "own.pth"
    torch.save({"network_weights": weights(run, job_of(run))}, file)
    plan = planned(run.store.root.parent, f"[{{checkpoint: {file}, name: own}}]")
    trainee = trainee_of(TinyRun(plan, run.store).jobs("own", "transfer")[0], run.store)
    assemble(trainee)
    torch.save({"network_weights": weights(run, job_of(run, "short"))}, file)
    with pytest.raises(ClbenchError, match="has changed since this run was planned"):
        assemble(trainee)
    file.unlink()
    with pytest.raises(MissingEnvironment, match="is not there any more"):
        assemble(trainee)


@pytest.fixture(scope="module")
def stock(run: TinyRun, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model folder that nnU-Net's own trainer leaves after an epoch on fold ``all``."""
    trainee = trainee_of(job_of(run), run.store)
    task, plans = trainee.prepared.tasks["mini-lung"], copy.deepcopy(trainee.prepared.plans)
    root, (name,) = tmp_path_factory.mktemp("stock"), plans["configurations"]
    data = root / "preprocessed" / task.raw.name
    data.mkdir(parents=True)
    plans |= {"continue_training": False, "dataset_name": task.raw.name}
    for file, content in (("plans", plans), ("dataset", task.dataset_json), ("dataset_fingerprint", {})):
        (data / f"{file}.json").write_text(json.dumps(content))
    (data / plans["configurations"][name]["data_identifier"]).symlink_to(task.preprocessed)
    (data / "gt_segmentations").symlink_to(task.raw / "labelsTr")
    with pytest.MonkeyPatch.context() as patch:
        from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer

        for folder in ("raw", "preprocessed", "results"):
            patch.setenv(f"nnUNet_{folder}", str(root / folder))
        patch.setenv("nnUNet_n_proc_DA", "0")
        description = json.loads(json.dumps(task.dataset_json))
        trainer = nnUNetTrainer(plans, name, "all", description, torch.device("cpu"))
        trainer.num_epochs = trainer.num_iterations_per_epoch = trainer.num_val_iterations_per_epoch = 1
        trainer.run_training()
    torch.save(trainer.network.state_dict(), Path(trainer.output_folder_base) / "network.pth")
    return Path(trainer.output_folder_base)


def test_a_checkpoint_of_nnunettrainer_itself_is_where_the_trunk_begins(run: TinyRun, stock: Path) -> None:
    plan = planned(run.store.root.parent, f"[{{checkpoint: {stock}, name: stock}}]")
    (job,) = TinyRun(plan, run.store).jobs("stock", "transfer")
    theirs = torch.load(stock / "network.pth", weights_only=True)

    stage, _, _ = assemble(trainee_of(job, run.store))

    ours = stage.network.nnunet_weights("mini-lung")
    assert ours.keys() == theirs.keys()
    same = {name: torch.equal(value, theirs[name]) for name, value in ours.items()}
    assert all(did for name, did in same.items() if ".seg_layers." not in name)
    assert not any(did for name, did in same.items() if ".seg_layers." in name and name.endswith("weight"))


def test_numpy_scalars_in_nnunets_log_are_read_without_running_code_under_both_their_names(
    stock: Path, tmp_path: Path
) -> None:
    file = stock / "fold_all" / "checkpoint_final.pth"
    with pytest.raises(Exception, match="Weights only load failed"):
        torch.load(file, weights_only=True)
    with zipfile.ZipFile(file) as packed, zipfile.ZipFile(tmp_path / "older.pth", "w") as older:
        for name in packed.namelist():
            older.writestr(name, packed.read(name).replace(b"cnumpy._core.", b"cnumpy.core."))
    expected, found = read_trunk(file), read_trunk(tmp_path / "older.pth")
    assert expected.keys() == found.keys()
    assert all(torch.equal(value, found[name]) for name, value in expected.items())


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "module._orig_mod."])
def test_what_wraps_a_network_in_training_is_taken_off_its_layers_names(
    run: TinyRun, tmp_path: Path, prefix: str
) -> None:
    plain = weights(run, job_of(run))
    torch.save({"network_weights": {prefix + name: value for name, value in plain.items()}}, tmp_path / "w.pth")
    assert read_trunk(tmp_path / "w.pth").keys() == {name for name in plain if ".seg_layers." not in name}
