"""A store with the bases of the cases, one for each worker."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from casefile import BASES

from lamella.store.archive import import_rootfs
from lamella.store.store import Store


@pytest.fixture(scope="session")
def recorded_bases(bases: Path) -> dict[str, Path]:
    """The root file systems that the cases were recorded on; skips where they are others."""
    for name, (file, digest) in BASES.items():
        if hashlib.sha256((bases / file).read_bytes()).hexdigest() != digest:
            pytest.skip(f"the cases were recorded on another {name} than {bases / file}")
    return {name: bases / file for name, (file, _) in BASES.items()}


@pytest.fixture(scope="session")
def lamella_root(tmp_path_factory: pytest.TempPathFactory, recorded_bases: dict[str, Path]) -> Path:
    root = tmp_path_factory.mktemp("conformance") / "store"
    store = Store.open(str(root))
    for name, path in recorded_bases.items():
        import_rootfs(store, str(path), name)
    store.close()
    return root
