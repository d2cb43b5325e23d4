"""A blob on its way into the store: one thread writes it, another reads it as it grows.

So a layer is unpacked while it arrives, and what slows one side down never holds more than the file does.
"""

from __future__ import annotations

import io
import os
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, BinaryIO, cast

from lamella.oci.descriptor import Descriptor
from lamella.store.blobs import BlobStore

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_CHUNK = 1 << 18


class Abandoned(Exception):
    """The blob will not come: whoever was to bring it has failed, and tells why."""


class Arriving:
    """``fetch`` is called once, ``open`` as often as wanted, before or after that. To be closed."""

    def __init__(self, blob: Descriptor) -> None:
        self.blob = blob
        self.size = 0
        self._file = -1
        self._over = False
        self._failed = False
        self._news = threading.Condition()

    def fetch(self, open_stream: Callable[[], BinaryIO], blobs: BlobStore, grown: Callable[[int], None]) -> None:
        """Brings the blob into the store; the stream is a verifying one. ``grown`` is told the bytes so far. Raises
        what reading and writing raise; nothing stays then, and readers raise Abandoned."""
        try:
            with blobs.writer(hashing=False) as writer:
                self._file = os.open(writer.path, os.O_RDONLY | os.O_CLOEXEC)
                with open_stream() as stream:
                    while data := stream.read1(_CHUNK):  # type: ignore[attr-defined]
                        writer.write(data)
                        self._tell(size=writer.size)
                        grown(writer.size)
                writer.commit(self.blob.digest, self.blob.size, trusted=self.blob.digest)
            self._tell(over=True)
        finally:
            self.abandon()

    def abandon(self) -> None:
        """Lets readers go, unless all is there."""
        with self._news:
            self._failed = not self._over
            self._news.notify_all()

    def close(self) -> None:
        """Nobody fetches or reads any more."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _tell(self, *, size: int = 0, over: bool = False) -> None:
        with self._news:
            self.size = size or self.size
            self._over = over
            self._news.notify_all()

    def open(self, read: Callable[[int], None] = lambda count: None) -> BinaryIO:
        """The blob from its beginning; waits for what is not there yet, at the end for its digest to be verified.
        ``read`` is told the bytes so far. Reading raises Abandoned."""
        return cast(BinaryIO, io.BufferedReader(_Reader(self, read), _CHUNK))

    def wait(self, beyond: int) -> int:
        """Waits until more than ``beyond`` bytes are there, or all of them; returns how many are. Raises Abandoned."""
        with self._news:
            while not self._failed and not self._over and self.size <= beyond:
                self._news.wait()
            if self._failed:
                raise Abandoned(str(self.blob.digest))
            return self.size

    def read(self, view: memoryview, position: int) -> int:
        """Fills ``view`` from ``position`` on, as far as there is something; 0 is the end. Raises Abandoned."""
        there = self.wait(position)
        return os.preadv(self._file, [view[: there - position]], position) if there > position else 0


class _Reader(io.RawIOBase):
    def __init__(self, arriving: Arriving, read: Callable[[int], None]) -> None:
        self._arriving, self._read = arriving, read
        self._position = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        count = self._arriving.read(memoryview(buffer).cast("B"), self._position)
        self._position += count
        self._read(self._position)
        return count
