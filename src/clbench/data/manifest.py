"""What a dataset's files are, so that two groups can prove that they train on the same bytes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from clbench.errors import MissingEnvironment
from clbench.store import Json, digest

FORMAT = 1
PROVES = ("cases", "labels", "channels", "reader")
"""What the digest is made of: everything that determines what is learnt, and no name or path."""


def make_manifest(
    task: str,
    source: Json,
    labels: Mapping[str, int],
    channels: Sequence[str],
    reader: str | None,
    facts: Mapping[str, Sequence[Json]],
) -> Json:
    """Describe a dataset.

    Args:
        task: the task's name.
        source: the card's source.
        labels: names and numbers in the label files, background left out.
        channels: names of the channels.
        reader: the reader that nnU-Net must use, if not its own choice.
        facts: by case, about each image and then about the label.
    """  # fmt: skip
    cases = {id: _case(found) for id, found in sorted(facts.items())}
    content = {"cases": cases, "labels": dict(labels), "channels": list(channels), "reader": reader}
    empty = sum(set(case["labels"]) <= {"0"} for case in cases.values())
    about = {"format": FORMAT, "task": task, "source": source}
    return {**about, "number_of_cases": len(cases), "without_foreground": empty, **content, "digest": digest(content)}


def _case(facts: Sequence[Json]) -> Json:
    images, label = facts[:-1], facts[-1]
    files = {f"image_{channel:04d}": found["sha256"] for channel, found in enumerate(images)}
    return {
        "sha256": {**files, "label": label["sha256"]},
        "shape": images[0]["shape"],
        "spacing": images[0]["spacing"],
        "orientation": images[0]["orientation"],
        "labels": label["values"],
    }


def manifest_bytes(manifest: Json) -> bytes:
    """The one spelling of a manifest: sorted, one line for each case."""
    cases = ",\n".join(f"  {json.dumps(k)}: {_line(v)}" for k, v in sorted(manifest["cases"].items()))
    rest = [f" {json.dumps(key)}: {_line(value)}" for key, value in sorted(manifest.items()) if key != "cases"]
    return ("{\n" + ",\n".join([f' "cases": {{\n{cases}\n }}', *rest]) + "\n}\n").encode()


def _line(value: object) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False)


def read_manifest(file: Path) -> Json:
    """Read a manifest, published or one's own.

    Raises:
        MissingEnvironment: there is none, or it was changed by hand.
    """
    try:
        manifest = dict(json.loads(file.read_bytes()))
        content = {key: manifest[key] for key in PROVES}
        whole = manifest.get("format") == FORMAT and manifest.get("digest") == digest(content)
        _require_form(content)
    except OSError as error:
        raise MissingEnvironment(f"{file}: {error.strerror}; `clbench data prepare TASK` writes manifests") from None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise MissingEnvironment(f"{file}: is no manifest") from None
    if not whole:
        raise MissingEnvironment(f"{file}: is no whole manifest of format {FORMAT}; its digest does not fit")
    return manifest


def _require_form(content: Json) -> None:
    """Refuse content that can't be compared case by case.

    Raises:
        KeyError, AttributeError, TypeError: it is not what ``make_manifest`` makes.
    """
    for case in content["cases"].values():
        case["sha256"].items()


def differences(here: Json, there: Json) -> list[str]:
    """What distinguishes a dataset from one that another manifest describes, case by case; empty if nothing."""
    ours, theirs = here["cases"], there["cases"]
    found = [f"{key} are {here[key]} and {there[key]}" for key in PROVES[1:] if here[key] != there[key]]
    found += [f"case {id} is missing here" for id in sorted(set(theirs) - set(ours))]
    found += [f"case {id} is only here" for id in sorted(set(ours) - set(theirs))]
    for id in sorted(set(ours) & set(theirs)):
        if parts := sorted(_parts(ours[id], theirs[id])):
            found.append(f"case {id} differs in {', '.join(parts)}")
    return found


def _parts(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> list[str]:
    files = {**ours["sha256"], **theirs["sha256"]}
    changed = [f"the bytes of {name}" for name in files if ours["sha256"].get(name) != theirs["sha256"].get(name)]
    return changed + [key for key in ours if key != "sha256" and ours[key] != theirs.get(key)]
