"""The only part of clbench that imports nnU-Net: its planning, preprocessing, network, loader, loss and checkpoints.

nnU-Net reads the size of its process pools from the environment when it is imported, so it is set here, first:
no pools, since jobs run side by side.
"""

import os

os.environ.setdefault("nnUNet_def_n_proc", "1")
