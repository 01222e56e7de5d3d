"""The baseline or method that a name means."""

from __future__ import annotations

from clbench.definitions.catalogue import Catalogue
from clbench.definitions.models import Variant
from clbench.definitions.reading import read_baseline
from clbench.definitions.signatures import read_signature
from clbench.definitions.suggest import suggestion
from clbench.definitions.variants import expanded
from clbench.errors import DefinitionError, Problem


def find_variant(name: str, catalogue: Catalogue) -> Variant:
    """A baseline at its card's settings, or a method at its own defaults.

    Raises:
        DefinitionError: there is neither, or something is wrong with it; everything that is.
    """
    card = catalogue.find("baseline", name)
    if card is not None:
        return next(expanded(read_baseline(card, catalogue), {}))
    if catalogue.find("method", name) is None:
        known = (*catalogue.names("baseline"), *catalogue.names("method"))
        message = f"there is no baseline or method {name!r}; {suggestion(name, known)}"
        raise DefinitionError([Problem(None, None, "", message)])
    return _at_defaults(name, catalogue)


def _at_defaults(method: str, catalogue: Catalogue) -> Variant:
    signature = read_signature(catalogue.method_file(method))
    return Variant(
        name=method, card=method, version=1, title=signature.title or method, method=method,
        method_file=signature.file, watches_first_stage=signature.watches_first_stage,
        scenarios=signature.scenarios, settings=signature.complete({}),
    )  # fmt: skip
