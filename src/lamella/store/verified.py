"""Streams that check, while they are read, that they are what a descriptor says."""

from __future__ import annotations

import hashlib
import io
from typing import BinaryIO, cast

from lamella.errors import LamellaError, StoreDamaged
from lamella.oci.descriptor import Descriptor
from lamella.store.disk import disk_error

_BUFFER = 1 << 20


def verified(raw: io.RawIOBase, descriptor: Descriptor, error: type[LamellaError]) -> BinaryIO:
    """``raw`` as a buffered stream. Reading to the end, or too much, raises ``error`` on a wrong digest or size."""
    return cast(BinaryIO, io.BufferedReader(VerifiedReader(raw, descriptor, error), _BUFFER))


class VerifiedReader(io.RawIOBase):
    """The bytes of a blob, hashed as they pass."""

    def __init__(self, raw: io.RawIOBase, descriptor: Descriptor, error: type[LamellaError]) -> None:
        self._error = error
        self._raw = raw
        self._descriptor = descriptor
        self._hash = hashlib.new(descriptor.digest.algorithm)
        self._count = 0
        self._done = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        try:
            count = self._raw.readinto(buffer)
        except OSError as error:
            raise disk_error(error, str(self._descriptor.digest), "read a blob") from None
        count = count or 0
        if count:
            self._hash.update(memoryview(buffer)[:count])
            self._count += count
        if self._count > self._descriptor.size or (not count and len(buffer)):
            self._check()
        return count

    def close(self) -> None:
        if not self.closed:
            self._raw.close()
        super().close()

    def _check(self) -> None:
        if self._done:
            return
        if self._count != self._descriptor.size:
            more = "more than" if self._count > self._descriptor.size else f"{self._count} bytes where there should be"
            raise self._mismatch(f"a blob is {more} {self._descriptor.size} bytes")
        if self._hash.hexdigest() != self._descriptor.digest.encoded:
            raise self._mismatch("a blob's content does not match its digest")
        self._done = True

    def _mismatch(self, message: str) -> LamellaError:
        hint = "get it again from its source"
        if self._error is StoreDamaged:
            hint = "`lamella image verify` lists what is damaged; pull, load or build it again"
        return self._error(message, where=str(self._descriptor.digest), hint=hint)
