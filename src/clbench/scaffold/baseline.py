"""A baseline of one's own, begun as a copy of a card that is there."""

from __future__ import annotations

import re
from pathlib import Path

from clbench.definitions.catalogue import Catalogue
from clbench.definitions.signatures import read_signature
from clbench.errors import DefinitionError, Problem
from clbench.scaffold.suite import Suite, flow

BARE = """\
# clbench show {name}
name: {name}
version: 1
title: {title}
method: {method}
settings: {{}}
"""


def write_baseline(suite: Suite, name: str, method: str) -> list[Path]:
    """Write a baseline that begins as a copy.

    Args:
        suite: where it is written.
        name: of the new baseline.
        method: the card to copy, or a method, of which the first card is copied.

    Raises:
        DefinitionError: there is no such card or method, or the name is taken.
    """
    file = suite.new_file("baseline", name)
    suite.write({file: baseline_text(name, method, suite.catalogue())})
    return [file]


def baseline_text(name: str, method: str, catalogue: Catalogue) -> str:
    """The card's text with its comments, under another name, and every setting of its method as a comment."""
    source = catalogue.find("baseline", method) or _card_of(method, catalogue)
    if source is None:
        text = BARE.format(name=name, title=flow(f"{method} at its defaults"), method=method)
    else:
        text = source.read_text(encoding="utf-8")
    text = re.sub(r"\A(#.*\n)?", f"# clbench show {name}\n", text, count=1)
    text = re.sub(r"^name:.*$", f"name: {name}", text, count=1, flags=re.MULTILINE)
    text = re.sub(r"^version:.*$", "version: 1", text, count=1, flags=re.MULTILINE)
    used = catalogue.baseline(source.stem).method if source else method
    return text.rstrip("\n") + "\n" + _settings(used, catalogue)


def _card_of(method: str, catalogue: Catalogue) -> Path | None:
    if catalogue.find("method", method) is None:
        names = f"{catalogue.unknown('method', method)}; nor is there a baseline of that name"
        raise DefinitionError([Problem(None, None, "", names)])
    cards = (name for name in catalogue.names("baseline") if catalogue.baseline(name).method == method)
    return next((catalogue.file("baseline", name) for name in cards), None)


def _settings(method: str, catalogue: Catalogue) -> str:
    known = read_signature(catalogue.method_file(method)).settings
    lines = [f"#   {name}: {flow(kind.default)}, {kind}\n" for name, kind in known.items()]
    return f"# The settings of {method}, their defaults and what they may be:\n{''.join(lines)}" if lines else ""
