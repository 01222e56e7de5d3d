"""clbench: a reproducible benchmark of continual learning for 3-D medical image segmentation on nnU-Net v2."""

import os
import sys

from clbench.arithmetic import apply

__version__ = "0.1.0"
ARITHMETIC = apply(os.environ, sys.modules)
"""The arithmetic of this process and of those that it starts; set before numpy or torch is imported."""
