#!/usr/bin/env bash
# torch.sqrt on the CPU is not correctly rounded, although IEEE 754 asks it of a square root and every processor has an
# exact instruction: torch hands float32 tensors to MKL's vector mathematics, and that begins with the approximate
# reciprocal square root (rsqrtps), whose bits AMD and Intel each chose for themselves. x ** 0.5 is the same function.
# Seen with torch 2.13.0 (CPU build, MKL 2024.2), numpy 2.4.6, MKL_CBWR=COMPATIBLE, which Intel documents as the mode
# that gives the same results on all processors: 598 of 4096 results differ from numpy's, by one unit in the last place.
# torch.rsqrt is torch's own kernel and has no such difference.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet torch==2.13.0 numpy==2.4.6 2>/dev/null
MKL_CBWR=COMPATIBLE "$folder/venv/bin/python" - <<'PYTHON'
import numpy as np
import torch

torch.set_num_threads(1)
values = (torch.arange(1, 4097) ** 2 % 8191).float() / 4096 + 0.1
right = np.sqrt(values.numpy())
found, power = values.sqrt().numpy(), (values**0.5).numpy()
wrong = found != right
apart = np.abs(found.view(np.int32) - right.view(np.int32)).max()
print(f"torch {torch.__version__}, numpy {np.__version__}")
print(f"{wrong.sum()} of {wrong.size} square roots are not correctly rounded, by {apart} unit in the last place")
print(f"x ** 0.5 is the same function: {np.array_equal(found, power)}")
assert 0.05 < wrong.mean() < 0.5, "torch.sqrt rounds correctly now"
assert apart == 1 and np.array_equal(found, power)
PYTHON
