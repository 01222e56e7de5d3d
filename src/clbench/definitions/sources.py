"""Where a task's cases come from."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from clbench.definitions.anatomy_source import AnatomySource
from clbench.definitions.base import Count, Name, Record, Text


class MsdSource(Record):
    """One task of the Medical Segmentation Decathlon, published as a tar file."""

    kind: Literal["msd"]
    """Says that this is a Decathlon task."""
    folder: Name
    """The folder at the top of the tar, for instance ``Task03_Liver``."""
    url: Text
    """Address of the tar."""
    md5: Annotated[str, Field(pattern="^[0-9a-f]{32}$")]
    """MD5 of the tar, as 32 hexadecimal digits."""
    bytes: Count | None = None
    """Exact size of the tar, where it is known."""
    licence: Text
    """Licence of the images and labels."""


class KitsSource(Record):
    """The kidney tumours of KiTS21: one folder a case, the majority vote of the annotators as label."""

    kind: Literal["kits21"]
    """Says that this is KiTS21."""
    homepage: Text
    """The repository that holds the labels."""
    images: Text
    """Address of one image; ``{case:05d}`` stands for the case's number."""
    licence: Text
    """Licence of the images and labels."""


Source = Annotated[AnatomySource | MsdSource | KitsSource, Field(discriminator="kind")]
"""Any source; its key ``kind`` says which."""
