"""How nnU-Net normalises a channel of a given name, and whether tasks that share a plan agree in it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from clbench.definitions.cards import TaskCard
from clbench.definitions.models import Benchmark, PlansFrom
from clbench.definitions.reading import Finding
from clbench.definitions.yaml_source import KeyPath

SCHEMES = {
    "ct": "CTNormalization", "nonorm": "NoNormalization", "zscore": "ZScoreNormalization",
    "rescale_to_0_1": "RescaleTo01Normalization", "rescale_0_1": "RescaleTo01Normalization",
    "rgb_to_0_1": "RGBTo01Normalization",
}  # fmt: skip
"""Of ``nnunetv2/preprocessing/normalization/map_channel_name_to_normalization.py``; any other name is z-scored."""


def scheme_of(channel: str) -> str:
    """The class that nnU-Net normalises a channel of this name by."""
    return SCHEMES.get(channel.casefold(), "ZScoreNormalization")


def normalisation_findings(
    benchmark: Benchmark, tasks: Mapping[str, TaskCard], places: Mapping[str, KeyPath]
) -> Iterator[Finding]:
    """Tasks whose channels are in another order, or are normalised otherwise where nothing chooses whose holds.

    Args:
        benchmark: the definition.
        tasks: the cards that are known.
        places: where the definition names them, in its order.
    """
    known = [name for name in places if name in tasks]
    for name in known[1:]:
        first, channels, others = known[0], tasks[name].modality, tasks[known[0]].modality
        if len(channels) != len(others):
            continue
        if _order(channels) != _order(others) and sorted(_order(channels)) == sorted(_order(others)):
            yield (
                places[name],
                f"{name} has the channels {', '.join(channels)} where {first} has {', '.join(others)}: one network "
                "would take them for the same; bring them into one order",
            )
        elif benchmark.backbone.plans in ("shared", "median"):
            yield from ((places[name], words) for words in _differences(name, channels, first, others))


def _order(channels: tuple[str, ...]) -> list[str]:
    return [channel.casefold() for channel in channels]


def _differences(name: str, channels: tuple[str, ...], first: str, others: tuple[str, ...]) -> Iterator[str]:
    for number, (channel, other) in enumerate(zip(channels, others, strict=True)):
        if scheme_of(channel) != scheme_of(other):
            yield (
                f"channel {number} of {name} is {channel}, which nnU-Net normalises by {scheme_of(channel)}, "
                f"and that of {first} is {other}, by {scheme_of(other)}; one plan has one of them for all: choose "
                f"whose by backbone.plans, for instance {{target: {first}}}"
            )


def channel_notes(tasks: Mapping[str, TaskCard], chosen: str | None) -> list[str]:
    """Channels of other names that one network and one normalisation treat alike, in sentences.

    Args:
        tasks: the cards by name.
        chosen: whose plan holds for all, or a plans file; None where it is made of all tasks.
    """
    notes = []
    for number in range(max((len(card.modality) for card in tasks.values()), default=0)):
        names = {name: card.modality[number] for name, card in sorted(tasks.items()) if number < len(card.modality)}
        if len({name.casefold() for name in names.values()}) > 1:
            whose = f"the plan of {chosen}" if chosen else scheme_of(next(iter(names.values())))
            listed = ", ".join(f"{channel} in {task}" for task, channel in names.items())
            notes.append(f"channel {number} is {listed}; all are normalised alike, by {whose}")
    return notes


def chosen_plan(benchmark: Benchmark, targets: tuple[str, ...]) -> str | None:
    """Whose plan a definition chooses; None where it is made of all tasks."""
    plans = benchmark.backbone.plans
    if isinstance(plans, PlansFrom):
        return plans.target or plans.file
    if plans == "first":
        return benchmark.sequence[0]
    return targets[0] if plans == "target" and targets else None
