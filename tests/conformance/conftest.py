"""A store with the bases of the cases, one for each worker; cases are built by the command line, in this process."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lamella.store.archive import import_rootfs
from lamella.store.store import Store

BASES = {"busybox": "busybox-musl-amd64.tar.gz", "alpine": "alpine-minirootfs-3.20.3-x86_64.tar.gz"}


@pytest.fixture(scope="session")
def lamella_root(tmp_path_factory: pytest.TempPathFactory, bases: Path) -> Iterator[Path]:
    root = tmp_path_factory.mktemp("conformance") / "store"
    store = Store.open(str(root))
    for name, file in BASES.items():
        import_rootfs(store, str(bases / file), name)
    store.close()
    yield root
