"""Blobs whose fetching was broken off, kept so that the next command goes on where this one stopped.

    ROOT/lamella/partial/<algorithm>-<hex>    the first bytes of the blob of that digest

Nothing is known of them but whose beginning they are said to be: the whole blob is verified in the end. Garbage
collection removes them.
"""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from lamella.oci.descriptor import Descriptor
from lamella.store.disk import remove_quietly
from lamella.store.lease import Lease

if TYPE_CHECKING:
    State = hashlib._Hash

#: bytes that are worth keeping
_WORTH = 1 << 20
_CHUNK = 1 << 20


class Beginning(NamedTuple):
    """A temporary file of this process, with the first bytes of a blob; ``state`` is their hash."""

    path: str
    state: State


class Partials:
    """Safe to use from several threads and processes: who takes a file has it alone."""

    def __init__(self, folder: str, lease: Lease) -> None:
        self._folder = folder
        self._lease = lease

    def take(self, blob: Descriptor) -> Beginning | None:
        """What is there of the blob. It is the caller's from now on."""
        path = self._path(blob)
        if not os.path.exists(path):
            return None
        mine = self._lease.temporary_path(".blob")
        try:
            os.rename(path, mine)
            if os.stat(mine).st_size <= blob.size:
                return Beginning(mine, _hashed(mine, blob))
        except OSError:
            pass  # taken by another, or not to be read
        remove_quietly(mine)
        return None

    def keep(self, path: str, blob: Descriptor) -> None:
        """Takes over a file with the blob's first bytes; removes it where it is not worth keeping."""
        with suppress(OSError):
            if os.stat(path).st_size >= _WORTH:
                os.makedirs(self._folder, exist_ok=True)
                os.rename(path, self._path(blob))
        remove_quietly(path)

    def forget(self, blob: Descriptor) -> None:
        """Removes what is there of the blob."""
        remove_quietly(self._path(blob))

    def sweep(self, before: int) -> None:
        """Removes those that nothing was added to since ``before`` (ns since the epoch)."""
        try:
            names = os.listdir(self._folder)
        except OSError:
            return
        for name in names:
            path = f"{self._folder}/{name}"
            with suppress(OSError):
                if os.stat(path).st_mtime_ns < before:
                    os.unlink(path)

    def _path(self, blob: Descriptor) -> str:
        return f"{self._folder}/{blob.digest.algorithm}-{blob.digest.encoded}"


def _hashed(path: str, blob: Descriptor) -> State:
    state = hashlib.new(blob.digest.algorithm)
    with open(path, "rb", buffering=0) as file:
        while data := file.read(_CHUNK):
            state.update(data)
    return state
