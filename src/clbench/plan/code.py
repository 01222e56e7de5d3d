"""Which of the package's code determines what a job makes; a change of anything else makes nothing anew."""

from __future__ import annotations

from pathlib import Path

from clbench.identity import package_files, sources_digest
from clbench.store import digest

PREPARE_CODE = (
    "data/anatomy.py",
    "data/dataset.py",
    "data/draws.py",
    "data/generate.py",
    "data/geometry.py",
    "data/lesions.py",
    "data/raw.py",
    "data/scanner.py",
    "data/splits.py",
    "readers.py",
    "nnunet/labels.py",
    "nnunet/lowres.py",
    "nnunet/planning.py",
    "nnunet/preprocessing.py",
    "nnunet/reading.py",
    "nnunet/resampling.py",
    "nnunet/unification.py",
    "job/case_work.py",
    "job/cases.py",
    "job/fingerprints.py",
    "job/prepare.py",
    "job/prepared.py",
)
"""Of data/ what generates embedded cases; of what lies on disk, the manifest says all that code could change."""
TRAINING_CODE = (
    "training/*.py",
    "network/*.py",
    "nnunet/parts.py",
    "nnunet/loader.py",
    "nnunet/properties.py",
    "nnunet/checkpoint.py",
    "nnunet/pretrained.py",
    "nnunet/fitting.py",
    "methods/base.py",
    "job/assembly.py",
    "job/method.py",
    "job/monitor.py",
    "job/predict.py",
    "job/selection.py",
    "job/start.py",
    "job/train.py",
    "job/trainee.py",
)
EVALUATION_CODE = (
    "evaluation/*.py",
    "nnunet/prediction.py",
    "nnunet/resampling.py",
    "nnunet/writing.py",
    "job/evaluate.py",
    "job/predict.py",
    "job/predictions.py",
)


def prepare_code() -> str:
    """Digest of the code that prepares data."""
    return sources_digest(*package_files(*PREPARE_CODE))


def training_code(method_file: Path) -> str:
    """Digest of the code that trains a stage with a method."""
    return sources_digest(*package_files(*TRAINING_CODE), method_file)


def evaluation_code() -> str:
    """Digest of the code that evaluates a stage."""
    return sources_digest(*package_files(*EVALUATION_CODE))


def code_of(kind: str, method_file: str) -> str:
    """Digest of all the code that does a job."""
    return prepare_code() if kind == "prepare" else digest([training_code(Path(method_file)), evaluation_code()])
