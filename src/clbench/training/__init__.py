"""The stage loop: nnU-Net's step with hooks for a method, heads per task, exact resume."""
