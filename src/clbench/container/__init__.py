"""clbench in a container, from the host."""

from clbench.container.engine import build, connect, created, run
from clbench.container.settings import DIGEST, IMAGE, Settings

__all__ = ["DIGEST", "IMAGE", "Settings", "build", "connect", "created", "run"]
