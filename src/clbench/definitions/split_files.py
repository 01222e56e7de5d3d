"""Lists of training and validation cases in files of their own, as nnU-Net keeps them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import ValidationError

from clbench.definitions.json_source import read_json
from clbench.definitions.sections import CaseLists, Sample, SplitFile
from clbench.definitions.yaml_source import Document, KeyPath
from clbench.errors import Problem


def with_lists(sample: Sample, document: Document) -> tuple[Sample, list[Problem]]:
    """A sample whose ids all stand in it, and what is wrong with the files that had some of them.

    Args:
        sample: the section as it is written.
        document: where it is written; files are relative to the YAML file that names them.
    """
    ids, problems = {}, []
    for task, written in sample.ids.items():
        path: KeyPath = ("sample", "ids", task)
        try:
            ids[task] = _read(written, document.place(path)[0].parent) if isinstance(written, SplitFile) else written
        except ValueError as error:
            problems.append(document.problem((*path, "file"), str(error)))
    return sample.model_copy(update={"ids": ids}), problems


def _read(written: SplitFile, folder: Path) -> CaseLists:
    path = folder / written.file
    folds = _folds(path)
    if written.fold >= len(folds):
        raise ValueError(f"{path} has folds 0 to {len(folds) - 1}, none numbered {written.fold}")
    try:
        return CaseLists.model_validate(folds[written.fold])
    except ValidationError as error:
        where = ".".join(map(str, error.errors()[0]["loc"]))
        raise ValueError(f"{path}, fold {written.fold}: {where}: {error.errors()[0]['msg']}") from error


def _folds(path: Path) -> list[Any]:
    folds = read_json(path)
    if not isinstance(folds, list) or not folds:
        raise ValueError(f"{path} must be a list of folds, each with train and val, as nnU-Net's splits_final.json")
    return folds
