"""Numbers with their nouns."""

from __future__ import annotations


def count(number: int, noun: str, plural: str | None = None) -> str:
    """``1 layer``, ``5 layers``, ``1,204 paths``."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"
