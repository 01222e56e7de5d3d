"""The baselines of a definition, one variant for each combination of the settings that it writes."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from typing import Any

from clbench.definitions.models import Setting, Variant
from clbench.definitions.reading import ReadBaseline
from clbench.definitions.signatures import Signature


def entry_parts(entry: str | Mapping[str, Mapping[str, Any]]) -> tuple[str, Mapping[str, Any]]:
    """An entry of ``continual.baselines`` as its card's name and the settings written beside it."""
    return (entry, {}) if isinstance(entry, str) else next(iter(entry.items()))


def expanded(baseline: ReadBaseline, written: Mapping[str, Any]) -> Iterator[Variant]:
    """One variant for each combination of the values in ``written``, which must suit the method."""
    card, signature = baseline.value, baseline.signature
    for chosen in _combinations(signature, written):
        yield Variant(
            name=variant_name(card.name, chosen),
            card=card.name,
            version=card.version,
            title=card.title,
            method=card.method,
            method_file=signature.file,
            watches_first_stage=signature.watches_first_stage,
            scenarios=signature.scenarios,
            settings=signature.complete({**card.settings, **chosen}),
        )


def variant_name(card: str, settings: Mapping[str, Setting]) -> str:
    """``ewc``, or ``ewc[strength=0.3,gamma=1]``."""
    inside = ",".join(f"{name}={_shown(value)}" for name, value in settings.items())
    return f"{card}[{inside}]" if inside else card


def _combinations(signature: Signature, written: Mapping[str, Any]) -> Iterator[dict[str, Setting]]:
    """The product of the written values, settings in the signature's order."""
    names = [name for name in signature.settings if name in written]
    lists = [written[name] if isinstance(written[name], tuple) else (written[name],) for name in names]
    for values in itertools.product(*lists):
        converted = (signature.settings[name].converted(value) for name, value in zip(names, values, strict=True))
        yield dict(zip(names, converted, strict=True))


def _shown(value: Setting) -> str:
    """A value as YAML has it, whole numbers without a point."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return str(int(value)) if isinstance(value, float) and value.is_integer() and abs(value) < 1e15 else str(value)
