"""Drift of a whole run: every sequence measured, what is missing said, and the tables written."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from clbench.drift.chains import Chain, chains_of
from clbench.drift.measure import Measured
from clbench.drift.read import DRIFT, MAP, known_rows
from clbench.errors import CorruptArtifact
from clbench.plan import Plan
from clbench.results.drift_rows import DriftRow, MapRow
from clbench.results.tidy import write_table
from clbench.store import Store


@dataclass
class Taken:
    """What came out.

    Attributes:
        drift: similarities of layers.
        maps: places of voxels on maps.
        holes: which sequences could not be measured to their end, and why.
    """

    drift: list[DriftRow] = field(default_factory=list)
    maps: list[MapRow] = field(default_factory=list)
    holes: list[str] = field(default_factory=list)


def take(plan: Plan, baselines: Collection[str], seed: int | None, taken: Taken) -> Iterator[str]:
    """Measure the sequences of a run that are asked for, in one thread, so that the numbers are the same each time.

    Args:
        plan: the run's.
        baselines: those that are wanted; all if none is named.
        seed: the one that is wanted; all if None, and maps of the first one.
        taken: gets what comes out.

    Yields:
        How far it is, in words, after every stage.
    """
    import torch
    from threadpoolctl import threadpool_limits

    assert plan.resolved is not None
    shown = plan.resolved.benchmark.seeds[0] if seed is None else seed
    chains = chains_of(plan, baselines, seed)
    torch.set_num_threads(1)
    with threadpool_limits(1):
        for number, chain in enumerate(chains, start=1):
            for words in _take_one(plan, chain, chain.uses[0].seed == shown, taken):
                yield f"{number}/{len(chains)}  {chain.title}: {words}"


def _take_one(plan: Plan, chain: Chain, mapped: bool, taken: Taken) -> Iterator[str]:
    measured = Measured(chain, Store(Path(plan.store)))
    for stage in range(2, len(chain.uses) + 1):
        try:
            found = measured.drift(stage)
        except CorruptArtifact as error:
            taken.holes.append(f"{chain.title}, from stage {stage} on: {error}")
            return
        taken.drift += [DriftRow(*_head(plan, chain, stage), *entry) for entry in found]
        yield f"stage {stage} of {len(chain.uses)}{_once(measured)}"
    if mapped:
        last = len(chain.uses)
        taken.maps += [MapRow(*_head(plan, chain, last), *place) for place in measured.places()]
        yield f"t-SNE{_once(measured)}"


def _once(measured: Measured) -> str:
    """Whether the last document had been made before."""
    before, measured.fresh = measured.fresh, 0
    return "" if before else ", measured before"


def _head(plan: Plan, chain: Chain, stage: int) -> tuple[str, int, str, str, int, int, int, str]:
    assert plan.resolved is not None
    benchmark, use = plan.resolved.benchmark, chain.uses[stage - 1]
    return (benchmark.name, benchmark.version, use.protocol, use.baseline, use.seed, use.order, stage, use.job)


def write_drift(folder: Path, plan: Plan, taken: Taken) -> list[Path]:
    """Write ``drift.csv`` and ``tsne.csv`` into a run's folder; what they have of other sequences of the plan stays.

    Returns:
        The files.
    """
    files = [folder / DRIFT, folder / MAP]
    places = {row.place for row in taken.drift}
    kept = [row for row in known_rows(files[0], DriftRow, plan) if row.place not in places]
    write_table(files[0], DriftRow, [*kept, *taken.drift])
    mapped = {row.place for row in taken.maps}
    kept_maps = [row for row in known_rows(files[1], MapRow, plan) if row.place not in mapped]
    write_table(files[1], MapRow, [*kept_maps, *taken.maps])
    return files
