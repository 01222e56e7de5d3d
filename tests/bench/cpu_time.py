"""CPU time of ended children, which other programs on the machine stretch little."""

from __future__ import annotations

import resource


def children_cpu() -> float:
    """Seconds of CPU that ended child processes took."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
