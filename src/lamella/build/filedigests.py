"""Content digests of files in the build context, remembered between builds by what stat says of them."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterable

from lamella.errors import ContextError
from lamella.filetree.entry import Entry
from lamella.store.digests import DigestCache

_CHUNK = 1 << 20
Stamp = tuple[int, int, int, int, str]


class FileDigests:
    """One build context's digests. ``save`` writes what was learnt, if anything was."""

    def __init__(self, cache: DigestCache, root: str) -> None:
        self._cache = cache
        self._root = root
        self._known: dict[str, Stamp] | None = None
        self._learnt = False
        self._hashed_at = 0

    def of(
        self, files: Iterable[Entry], stats: dict[str, os.stat_result | None], known: dict[str, str]
    ) -> dict[str, str]:
        """Path → sha256 of the content. ``known`` are digests of just now, which need no reading again."""
        if self._known is None:
            self._known = self._cache.lookup_directory(self._root)
            self._hashed_at = time.time_ns()
        found: dict[str, str] = {}
        for entry in files:
            path = entry.path
            stat = stats[path]
            assert stat is not None
            stamp = (stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino)
            digest = known.get(path)
            remembered = self._known.get(path)
            if digest is None and remembered is not None and tuple(remembered[:4]) == stamp:
                digest = remembered[4]
            elif digest is None:
                digest = _hash_file(f"{self._root}/{path}")
            if remembered is None or remembered[4] != digest or tuple(remembered[:4]) != stamp:
                self._known[path] = (*stamp, digest)
                self._learnt = True
            found[path] = digest
        return found

    def save(self) -> None:
        if self._learnt and self._known is not None:
            self._cache.save_many(self._root, self._known, self._hashed_at)
            self._learnt = False


def _hash_file(path: str) -> str:
    """Raises ContextError when the file cannot be read."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise ContextError(f"the file cannot be read ({error.strerror})", where=path) from None
    try:
        data = os.read(descriptor, _CHUNK)
        state = hashlib.sha256(data)
        while len(data) == _CHUNK:
            data = os.read(descriptor, _CHUNK)
            state.update(data)
        return state.hexdigest()
    finally:
        os.close(descriptor)
