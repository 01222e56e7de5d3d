"""``nnUNetv2_train`` with one epoch instead of a thousand.

nnU-Net's own trainers of fewer epochs can't be named on a CPU install: looking one up imports timm, and with it a
torchvision that wants CUDA.
"""

from __future__ import annotations

import inspect
from typing import Any

from nnunetv2.run.run_training import run_training_entry
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer

initialise = nnUNetTrainer.__init__


def shorter(self: nnUNetTrainer, *words: Any, **named: Any) -> None:
    """Initialise as usual, then train for one epoch."""
    initialise(self, *words, **named)
    self.num_epochs = 1


shorter.__signature__ = inspect.signature(initialise)  # type: ignore[attr-defined]
nnUNetTrainer.__init__ = shorter
if __name__ == "__main__":  # nnU-Net's workers import this file again
    run_training_entry()
