"""Continual-learning methods: one file each, torch only, nothing of nnU-Net."""
