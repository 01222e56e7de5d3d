"""Similarities and maps of one sequence, each kept beside the checkpoint that it is of and made only once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any

import numpy as np

from clbench.drift.chains import Chain
from clbench.errors import CorruptArtifact
from clbench.identity import package_files, sources_digest
from clbench.plan import Use
from clbench.store import Json, Store, digest, read_sealed, write_sealed

Similarity = tuple[str, int, int, str, int, float | None]
"""Task, its own stage, depth, layer, samples, CKA."""
Place = tuple[str, str, int, float, float]
"""Layer, task, point, x, y."""
DRIFT, MAP = "drift", "tsne"
"""Names of what is kept in a job's folder."""
MEASURING = ("drift/cka.py", "drift/sample.py", "drift/activations.py", "drift/embed.py", "drift/measure.py",
             "job/evaluate.py", "nnunet/prediction.py")  # fmt: skip
"""What says how a kept number was made."""
LIBRARIES = ("numpy", "torch", "scikit-learn")


@dataclass
class Measured:
    """One sequence, looked at stage by stage.

    Attributes:
        chain: the sequence.
        store: where its checkpoints are.
        fresh: how many documents were made and not found.
    """

    chain: Chain
    store: Store
    fresh: int = 0
    _features: dict[int, Any] = field(default_factory=dict)

    def drift(self, stage: int) -> list[Similarity]:
        """Every task learnt before a stage, there and right after its own.

        Raises:
            CorruptArtifact: a checkpoint is not there, or damaged.
        """
        return [tuple(entry) for entry in self._kept(DRIFT, stage, lambda: list(self._similarities(stage)))]

    def places(self) -> list[Place]:
        """Maps of the bottleneck and of the decoder's last stage, of all tasks after the last stage.

        Raises:
            CorruptArtifact: a checkpoint is not there, or damaged.
        """
        last = len(self.chain.uses)
        return [tuple(entry) for entry in self._kept(MAP, last, lambda: list(self._places(last)))]

    def _kept(self, name: str, stage: int, make: Callable[[], Sequence[Any]]) -> list[Any]:
        """What the folder of a stage's job has, if it was made of the same checkpoints by the same code."""
        file = self.store.job(self.chain.uses[stage - 1].job).path / f"{name}.json"
        mark = self._mark(stage)
        try:
            found = read_sealed(file)
            if found["mark"] == mark:
                return list(found["content"])
        except (FileNotFoundError, CorruptArtifact):
            pass
        content = make()
        self.fresh += 1
        write_sealed(file, {"mark": mark, "content": content})
        return list(content)

    def _mark(self, stage: int) -> str:
        trained = [_trained(self.store, use)["files"] for use in self.chain.uses[:stage]]
        versions = [f"{name} {version(name)}" for name in LIBRARIES]
        return digest([trained, versions, sources_digest(*package_files(*MEASURING))])

    def _similarities(self, stage: int) -> Iterator[Similarity]:
        from clbench.drift.cka import linear_cka

        for own, task in enumerate(self.chain.tasks[: stage - 1], start=1):
            here = self._of(stage)[task]
            there = self._of(own)[task]
            for depth, (layer, features) in enumerate(here.items()):
                yield task, own, depth, layer, len(features), linear_cka(there[layer], features)

    def _places(self, stage: int) -> Iterator[Place]:
        from clbench.drift.embed import embedded

        features = self._of(stage)
        layers = list(features[self.chain.tasks[0]])
        bottleneck = [layer for layer in layers if layer.startswith("encoder")][-1]
        for layer in (bottleneck, layers[-1]):
            by_task = {task: features[task][layer] for task in self.chain.tasks}
            if all(np.isfinite(values).all() for values in by_task.values()):  # a diverged network has no map
                yield from ((layer, *place) for place in embedded(by_task))

    def _of(self, stage: int) -> Any:
        """By task, the features of the network after a stage."""
        if stage not in self._features:
            from clbench.drift.activations import stage_features

            self._features[stage] = stage_features(self._trainee(stage))
        return self._features[stage]

    def _trainee(self, stage: int) -> Any:
        from clbench.job.stage import trainee_of

        return trainee_of(self.chain.jobs[stage - 1], self.store)


def _trained(store: Store, use: Use) -> Json:
    """What a finished training says of itself.

    Raises:
        CorruptArtifact: it is not finished, or damaged.
    """
    folder = store.job(use.job)
    found = folder.read("trained")
    if found is None:
        raise CorruptArtifact(folder.path / "trained.json", "is missing: the stage is not trained")
    return found
