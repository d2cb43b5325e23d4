"""The roads that a layer takes: indexed, merged, unpacked over files, unpacked and mounted by overlayfs."""

from __future__ import annotations

import ctypes
import hashlib
import io
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from lamella.filetree.entry import FILE, Entry
from lamella.filetree.tree import merge_layers, resolved
from lamella.layer.changes import walk_tree
from lamella.layer.index import index_layer
from lamella.layer.unpack import unpack_layer

NAME = "sha256:" + "7" * 64
_LIBC = ctypes.CDLL(None, use_errno=True)


def indexed(raw: bytes) -> list[Entry]:
    return index_layer(io.BytesIO(raw), NAME).entries


def merged(layers: Sequence[Iterable[Entry]]) -> dict[str, Entry]:
    return merge_layers(layers, [NAME] * len(layers))


def unpack(raw: bytes, target: Path, below: dict[str, Entry] | None, whiteouts: str, privileged: bool = True) -> None:
    """Over what lies in ``target`` (``apply``), or as one directory of a mount over ``below`` (``overlay``)."""
    unpack_layer(
        io.BytesIO(raw),
        str(target),
        NAME,
        whiteouts=whiteouts,  # type: ignore[arg-type]
        lower=(lambda path: resolved(below, below[path]) if path in below else None) if below is not None else None,
        lower_names=lambda _: [path for path in below or () if path and "/" not in path],
        privileged=privileged,
    )


@contextmanager
def mounted(layers: list[Path], target: Path) -> Iterator[None]:
    """``layers``, the top one first, at least two."""
    options = "lowerdir=" + ":".join(map(str, layers))
    if _LIBC.mount(b"overlay", bytes(target), b"overlay", 1, options.encode()) != 0:
        pytest.skip(f"overlayfs cannot be mounted: {os.strerror(ctypes.get_errno())}")
    try:
        yield
    finally:
        _LIBC.umount2(bytes(target), 2)


def seen(folder: Path) -> dict[str, Entry]:
    """What is on disk, path to entry with content digests, without times."""
    found = {}
    for entry, host_path, *_ in walk_tree(str(folder)):
        digest = ""
        if entry.kind == FILE and host_path is not None:
            digest = hashlib.sha256(Path(host_path).read_bytes()).hexdigest()
        found[entry.path] = entry._replace(mtime=0, digest=digest)
    return found
