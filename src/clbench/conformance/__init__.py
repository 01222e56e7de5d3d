"""What every method must keep, shipped or a user's: each promise is checked on a tiny benchmark."""

from clbench.conformance.examine import Checked, examine
from clbench.conformance.finding import find_variant
from clbench.conformance.laboratory import Laboratory
from clbench.conformance.verdict import Outcome, Verdict

__all__ = ["Checked", "Laboratory", "Outcome", "Verdict", "examine", "find_variant"]
