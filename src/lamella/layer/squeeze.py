"""The second half of packing: a tar to hashes and a compressed blob, by a thread of its own when it is large."""

from __future__ import annotations

import hashlib
from threading import Thread
from typing import TYPE_CHECKING, NamedTuple

from lamella.layer.compression import make_compressor
from lamella.layer.disk import write_error
from lamella.layer.packed import Sink
from lamella.oci.digest import DiffID, Digest

if TYPE_CHECKING:
    from queue import Queue

#: bytes that are hashed and compressed at a time
BLOCK = 1 << 20
_QUEUED = 6  # blocks in flight between the threads


class Squeezed(NamedTuple):
    """Sizes in bytes; ``uncompressed`` is the tar's."""

    diff_id: DiffID
    uncompressed: int
    digest: Digest
    size: int


class Squeezer:
    """Write a tar, then ``finish``; ``close`` in any case. Raises what writing to the sink raises, a full disk as
    NoSpace."""

    def __init__(self, sink: Sink, compression: str, level: int | None) -> None:
        self._sink = sink
        self._compressor = make_compressor(compression, level)
        self._tar_hash, self._blob_hash = hashlib.sha256(), hashlib.sha256()
        self._tar_size = self._blob_size = 0
        self._parts: list[bytes] = []
        self._pending = 0
        self._queue: Queue[list[bytes] | None] | None = None
        self._thread: Thread | None = None
        self._failed: BaseException | None = None
        self._rest = b""

    def write(self, data: bytes) -> None:
        self._parts.append(data)
        self._pending += len(data)
        if self._pending >= BLOCK:
            self._hand_over()

    def _hand_over(self) -> None:
        if self._queue is None:
            from queue import Queue

            self._queue = Queue(_QUEUED)
            self._thread = Thread(target=self._work, args=(self._queue,), name="squeeze", daemon=True)
            self._thread.start()
        if self._failed is not None:
            raise self._failed
        self._queue.put(self._parts)
        self._parts, self._pending = [], 0

    def _work(self, queue: Queue[list[bytes] | None]) -> None:
        while (parts := queue.get()) is not None:
            if self._failed is None:
                try:
                    self._squeeze(parts)
                except BaseException as error:
                    self._failed = error  # the writing thread raises it; until then its blocks are thrown away

    def _squeeze(self, parts: list[bytes]) -> None:
        data = b"".join((self._rest, *parts)) if self._rest else b"".join(parts)
        view = memoryview(data)
        whole = len(data) - len(data) % BLOCK
        self._rest = data[whole:]
        for start in range(0, whole, BLOCK):
            self._block(view[start : start + BLOCK])

    def _block(self, data: bytes | memoryview) -> None:
        self._tar_hash.update(data)
        self._tar_size += len(data)
        self._put(self._compressor.compress(data))

    def _put(self, data: bytes) -> None:
        if not data:
            return
        self._blob_hash.update(data)
        self._blob_size += len(data)
        try:
            self._sink.write(data)
        except BrokenPipeError:
            raise  # who reads has had enough: that is no fault of the machine's
        except OSError as error:
            raise write_error(error) from error

    def finish(self) -> Squeezed:
        self.close()
        if self._failed is not None:
            raise self._failed
        self._squeeze(self._parts)
        if self._rest:
            self._block(self._rest)
        self._put(self._compressor.flush())
        return Squeezed(
            DiffID("sha256:" + self._tar_hash.hexdigest()),
            self._tar_size,
            Digest("sha256:" + self._blob_hash.hexdigest()),
            self._blob_size,
        )

    def close(self, patience: float | None = None) -> None:
        """Ends the thread, after what it was given. With ``patience`` in seconds it is left to itself after that: who
        was to read may never do. Safe to call twice."""
        thread, queue = self._thread, self._queue
        self._thread = self._queue = None
        if thread is not None and queue is not None:
            from queue import Full

            try:
                queue.put(None, timeout=patience)
            except Full:
                return
            thread.join(patience)
