"""Fine-tuning: the empty method."""

from __future__ import annotations

from clbench.methods.base import Method


class Finetune(Method):
    """Sequential fine-tuning: train on the new task and do nothing about the old ones."""
