"""EWC as two public nnU-Net code bases compute it, defects included; the right one is ``ewc``.

Sources: ZetongZhangZ/nnUNet_Continual, ``nnUNetTrainerV2_Continual_MultiDatasets.py`` (``fork-...``), and
MECLabTUDA/Lifelong-nnUNet, ``nnUNetTrainerEWC.after_train`` with ``MultipleOutputLossEWC`` (``lifelong...``).
"""

from __future__ import annotations

from typing import Any, Literal

import torch

from clbench.methods.base import Context, Numbers
from clbench.methods.ewc import weighted_mean
from clbench.methods.fisher import Importance, estimate_fisher
from clbench.methods.quadratic import QuadraticPenalty
from clbench.network.heads import Output

LOSS_SCALE = 2.0**16
"""What PyTorch's gradient scaler multiplies a loss with before it has adapted."""


def mean_loss_fisher(context: Context) -> Importance:
    """The previous task's empirical Fisher of the voxels' mean cross-entropy, ``F_sum / V^2``, heads left out."""
    estimate = estimate_fisher(context, 1, "empirical")
    return {n: f / estimate.voxels for n, f in estimate.diagonal.items() if not n.startswith("heads.")}


def last_batch_squared(context: Context, scale: float) -> Importance:
    """The squared gradient of the whole loss of one augmented batch of the previous task, heads included.

    Args:
        context: the stage that begins.
        scale: what the loss was multiplied with.
    """
    task, network = context.previous_task, context.network
    drawn = context.rng.integers(len(context.cases[task]), size=context.batch)
    batch = context.batches([(task, context.cases[task][i]) for i in drawn])
    features = network.features(batch.data)
    head = network.group(task)
    output = Output(features, {head: network.logits(task, features, context.earlier)}, {head: None})
    loss = scale * context.task_loss(batch, output)
    gradients = torch.autograd.grad(loss, list(context.trunk.values()), allow_unused=True)
    return {
        name: torch.zeros_like(p) if g is None else g.square()
        for (name, p), g in zip(context.trunk.items(), gradients, strict=True)
    }


class PeerEWC(QuadraticPenalty):
    """EWC as public nnU-Net code really computes it, each ``code`` with its own defect, to set beside ``ewc``.

    ``fork-readme`` is nnUNet_Continual's documented command: its penalty is the constant 0. ``fork-each`` sums a
    penalty per task, ``fork-single`` takes the tasks' mean Fisher around the last trunk; the Fisher is of the
    voxels' mean loss and so smaller than the likelihood's by the squared number of voxels. ``lifelong`` squares
    the gradient of one batch's whole loss and goes on penalising the first task alone; ``lifelong-amp`` leaves the
    mixed-precision loss scale in that gradient, as that code does by default. All add strength/2 times the
    penalty's gradient before clipping.
    """

    neutral = {"strength": 0.0}

    def __init__(
        self,
        *,
        code: Literal["fork-readme", "fork-each", "fork-single", "lifelong", "lifelong-amp"] = "fork-readme",
        strength: float = 1e7,
    ) -> None:
        """Set the public code that is followed, and lambda, with the factor 1/2."""
        super().__init__(strength, "gradient")
        self.code = code

    def begin_stage(self, context: Context) -> None:
        """Add what the code makes of the previous task."""
        memory = context.memory or {}
        self._tasks: int = memory.get("tasks", 0) + 1
        self._counted: int = memory.get("counted", 0)
        if self.code == "fork-readme":
            importance, anchor = {name: torch.zeros_like(p) for name, p in context.trunk.items()}, None
        elif self.code.startswith("lifelong") and self._counted:
            importance, anchor = context.recalled("importance"), context.recalled("anchor")
        else:
            importance, anchor = self._added(context)
            self._counted += 1
        self.protect(context, importance, anchor)

    def _added(self, context: Context) -> tuple[Importance, Importance | None]:
        """Importance and anchor with the previous task's; the anchor is None where it is the last trunk."""
        if self.code.startswith("lifelong"):
            return last_batch_squared(context, LOSS_SCALE if self.code == "lifelong-amp" else 1.0), None
        new = mean_loss_fisher(context)
        if not self._counted:
            return new, None
        old = context.recalled("importance")
        if self.code == "fork-single":
            return {name: torch.lerp(old[name], f, 1 / (self._counted + 1)) for name, f in new.items()}, None
        anchors = context.recalled("anchor")
        mean = {n: weighted_mean(anchors[n], context.trunk[n].detach(), old[n], f) for n, f in new.items()}
        return {name: old[name] + f for name, f in new.items()}, mean

    def end_stage(self) -> dict[str, Any]:
        """What the code needs in the next stage."""
        kept: dict[str, Any] = {"tasks": self._tasks, "counted": self._counted}
        if self.code != "fork-readme":
            kept["importance"] = dict(zip(self._names, (f.cpu() for f in self._importance), strict=True))
        if self.code not in ("fork-readme", "fork-single"):
            kept["anchor"] = dict(zip(self._names, (a.cpu() for a in self._anchor), strict=True))
        return kept

    def buffers(self, earlier: int) -> float:
        """Importance and anchor, as far as the code's penalty needs them."""
        return {"fork-readme": 0.0, "fork-single": 1.0}.get(self.code, 2.0)

    def diverging(self, loss: float) -> bool:
        """Never: the public code trains on while its penalty runs away, and the evidence shows that it does."""
        return False

    def evidence(self) -> Numbers:
        """The penalty's evidence, counted by what has any importance, and the tasks that it counts."""
        return {
            **super().evidence(),
            "tensors_protected": sum(bool(f.any()) for f in self._importance),
            "tasks_protected": self._counted,
            "tasks_expected": self._tasks,
            "fisher_trace": sum(float(f.sum()) for f in self._importance),
        }
