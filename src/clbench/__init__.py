"""clbench: a reproducible benchmark of continual learning for 3-D medical image segmentation on nnU-Net v2."""

__version__ = "0.1.0"
