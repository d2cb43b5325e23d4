"""Layers made of a few entries."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import pytest

from lamella.filetree.entry import FILE, Entry


@pytest.fixture(scope="session")
def make_file() -> Callable[..., Entry]:
    def make(path: str, content: bytes = b"x", **fields: object) -> Entry:
        digest = hashlib.sha256(content).hexdigest()
        return Entry(path, FILE, size=len(content), digest=digest)._replace(**fields)  # type: ignore[arg-type]

    return make
