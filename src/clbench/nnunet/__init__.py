"""The only part of clbench that imports nnU-Net: its planning, preprocessing, network, loader, loss and checkpoints.

nnU-Net reads its worker counts from the environment when it is imported, so they are set here, first:
no background augmentation workers and no pools, which is what makes a CPU run deterministic to the bit.
"""

import os

os.environ.setdefault("nnUNet_n_proc_DA", "0")
os.environ.setdefault("nnUNet_def_n_proc", "1")
