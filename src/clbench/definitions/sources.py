"""Where a task's cases come from."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from clbench.definitions.anatomy_source import AnatomySource
from clbench.definitions.base import Name, Positive, Record, Text


def _as_text(value: Any) -> Any:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


Reference = Annotated[str, BeforeValidator(_as_text, json_schema_input_type=str | int), Field(min_length=1)]
"""A dataset's number, its folder's name, or a path."""


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
    gigabytes: Positive | None = None
    """About how large the download is, in GB of 10^9 bytes."""
    licence: Text
    """Licence of the images and labels."""


class KitsSource(Record):
    """The kidney tumours of KiTS: one folder a case; of KiTS21, the annotators' majority vote as label."""

    kind: Literal["kits21", "kits23"]
    """Which edition: their labels have other names, and KiTS23 has more cases."""
    homepage: Text
    """The repository that holds the labels."""
    images: Annotated[str, Field(pattern=r"^[^{}]+\{case(:0[1-9]d)?\}[^{}]*$")]
    """Address of one image; ``{case:05d}`` stands for the case's number."""
    gigabytes: Positive | None = None
    """About how large the download is, in GB of 10^9 bytes."""
    licence: Text
    """Licence of the images and labels."""


PREFIXES = {"nnunet": "Dataset", "nnunet-v1": "Task"}
"""What the names of nnU-Net's folders begin with, by version."""


class NnunetSource(Record):
    """A dataset in nnU-Net's raw format, version 2 (used where it is) or version 1."""

    kind: Literal["nnunet", "nnunet-v1"]
    """Which version: ``Dataset123_Name`` is 2, ``Task123_Name`` is 1."""
    dataset: Reference
    """Its number or its folder's name, looked for in ``nnUNet_raw`` and in the data folder; or a path."""
    licence: Text | None = None
    """Licence of the images and labels."""

    @property
    def prefix(self) -> str:
        """What the names of such datasets' folders begin with."""
        return PREFIXES[self.kind]


class DatalistSource(Record):
    """Images and labels that a JSON file lists, as MONAI's tools write it."""

    kind: Literal["datalist"]
    """Says that the cases are listed."""
    path: Text
    """The JSON file; a relative path begins in the data folder or in the working folder."""
    root: Text | None = None
    """What the listed paths begin in; left out, the folder of the JSON file."""
    licence: Text | None = None
    """Licence of the images and labels."""


OWN_KINDS = ("nnunet", "nnunet-v1", "datalist")
"""Kinds of source that describe themselves, so that a card may leave out what they say."""

Source = Annotated[
    AnatomySource | MsdSource | KitsSource | NnunetSource | DatalistSource, Field(discriminator="kind")
]
"""Any source; its key ``kind`` says which."""
