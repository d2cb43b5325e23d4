"""A blob on its way into the store: one thread writes it, another reads it as it grows.

So a layer is unpacked while it arrives, and what slows one side down never holds more than the file does.
"""

from __future__ import annotations

import io
import os
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, BinaryIO, cast

from lamella.errors import ImageInvalid, NoSpace
from lamella.oci.descriptor import Descriptor
from lamella.store.blobs import BlobWriter
from lamella.store.store import Store

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

    from lamella.store.partials import Partials, State

    #: opens the blob at a byte, given the hash of those before
    OpenAt = Callable[[int, State | None], BinaryIO]

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

    def fetch(self, open_at: OpenAt, store: Store, grown: Callable[[int], None]) -> int:
        """Brings the blob into the store, from where an earlier command stopped; returns how many bytes came. The
        stream is a verifying one. ``grown`` is told the bytes so far. Raises what reading and writing raise; readers
        raise Abandoned then."""
        try:
            begun = store.partials.take(self.blob)
            with store.blobs.writer(hashing=False) if begun is None else store.blobs.writer_on(begun.path) as writer:
                before = writer.size
                self._write(writer, begun.state if begun is not None else None, open_at, grown, store.partials)
                writer.commit(self.blob.digest, self.blob.size, trusted=self.blob.digest)
            self._tell(over=True)
            return self.blob.size - before
        finally:
            self.abandon()

    def _write(
        self,
        writer: BlobWriter,
        state: State | None,
        open_at: OpenAt,
        grown: Callable[[int], None],
        partials: Partials,
    ) -> None:
        """What breaks off is kept for the next time; what is not what it should be is not."""
        self._file = os.open(writer.path, os.O_RDONLY | os.O_CLOEXEC)
        self._tell(size=writer.size)
        try:
            with open_at(writer.size, state) as stream:
                while data := stream.read1(_CHUNK):  # type: ignore[attr-defined]
                    writer.write(data)
                    self._tell(size=writer.size)
                    grown(writer.size)
        except (ImageInvalid, NoSpace):
            raise
        except BaseException:
            partials.keep(writer.hand_over(), self.blob)
            raise

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
