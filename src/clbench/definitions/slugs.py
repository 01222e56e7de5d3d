"""Names that are safe in a path, made of any text; texts in other scripts stay different from one another."""

from __future__ import annotations

import re
import unicodedata

SPELT = {
    "ß": "ss", "æ": "ae", "Æ": "AE", "ø": "o", "Ø": "O", "œ": "oe", "Œ": "OE", "ł": "l", "Ł": "L", "đ": "d", "Đ": "D",
}  # fmt: skip
"""Latin letters that no accent makes."""


def ascii_of(text: str) -> str:
    """The text in ASCII: accents are left out, and what has no Latin letter becomes its code, such as ``u809d``."""
    plain = unicodedata.normalize("NFKD", "".join(SPELT.get(one, one) for one in unicodedata.normalize("NFC", text)))
    return "".join(_letter(one) for one in plain if not unicodedata.combining(one))


def _letter(one: str) -> str:
    if one.isascii():
        return one
    return f"u{ord(one):x}" if one.isalnum() else "-"


def slug(text: str, allowed: str = "A-Za-z0-9._") -> str:
    """A name of ASCII letters, digits and the other characters that are allowed, with hyphens for the rest."""
    return re.sub(f"[^{allowed}-]+", "-", ascii_of(text)).strip("-._")
