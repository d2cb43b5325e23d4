"""Comparing the values a config holds: maps, lists, sets and plain text."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence

from lamella.prove.model import ABSENT, Difference


def compare_texts(key: str, a: str, b: str) -> Iterator[Difference]:
    if a != b:
        yield Difference(key, key, a or ABSENT, b or ABSENT)


def compare_lists(key: str, a: Sequence[str] | None, b: Sequence[str] | None) -> Iterator[Difference]:
    """Order counts; an empty list says as little as none."""
    if list(a or ()) != list(b or ()):
        yield Difference(key, key, _words(a), _words(b))


def compare_maps(key: str, a: Mapping[str, str], b: Mapping[str, str]) -> Iterator[Difference]:
    """One difference for each name; its path is ``key.name``."""
    for name in sorted(a.keys() | b.keys()):
        if a.get(name) != b.get(name):
            yield Difference(f"{key}.{name}", key, _value(a, name), _value(b, name))


def compare_sets(key: str, a: Sequence[str], b: Sequence[str]) -> Iterator[Difference]:
    """One difference for each member that only one side has."""
    for member in sorted(set(a) ^ set(b)):
        yield Difference(f"{key}.{member}", key, *(("present", ABSENT) if member in a else (ABSENT, "present")))


def _words(words: Sequence[str] | None) -> str:
    return json.dumps(list(words), ensure_ascii=False) if words else ABSENT


def _value(values: Mapping[str, str], name: str) -> str:
    """In quotes, so that an empty value and the word ``absent`` are told from a missing one."""
    return json.dumps(values[name], ensure_ascii=False) if name in values else ABSENT
