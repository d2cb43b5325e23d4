"""The contents of a layer's files, one after another, without unpacking it."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, BinaryIO, cast

from lamella.errors import ImageInvalid
from lamella.filetree.entry import FILE
from lamella.layer.compression import CHUNK
from lamella.layer.names import at
from lamella.layer.read import read_entries

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer


class LayerContents:
    """Files of one layer, in any order. In the order of the layer nothing is kept: each is read as it comes by. What
    comes by too early waits in the temporary file that ``open_spool`` gives, which is closed by ``close``.

    ``tar`` is the uncompressed layer and ``where`` its name in errors; ``files`` are the paths of all its regular
    files, in its order; ``wanted`` tells how often each path will be asked for. Of a path that comes twice the last
    counts."""

    def __init__(
        self,
        tar: BinaryIO,
        where: str,
        files: Iterable[str],
        wanted: Mapping[str, int],
        open_spool: Callable[[], BinaryIO],
    ) -> None:
        self._members = read_entries(tar, where)
        self._where = where
        self._wanted = wanted
        self._open_spool = open_spool
        self._spool: BinaryIO | None = None
        self._spooled: dict[str, tuple[int, int]] = {}
        #: how often each path is still to come by
        self._coming: dict[str, int] = {}
        for path in files:
            if path in wanted:
                self._coming[path] = self._coming.get(path, 0) + 1

    def open(self, path: str) -> BinaryIO:
        """A reader of the file's content, good until the next call. Raises ImageInvalid where the layer lacks it."""
        if path in self._spooled:
            return self._spooled_content(path)
        for entry, content in self._members:
            if entry.kind != FILE or entry.path not in self._coming or content is None:
                continue
            self._coming[entry.path] -= 1
            if self._coming[entry.path]:
                continue
            if entry.path == path and self._wanted[path] == 1:
                return content
            self._keep(entry.path, content)
            if entry.path == path:
                return self._spooled_content(path)
        raise ImageInvalid("the layer lacks a file that its table of contents lists", where=at(self._where, path))

    def close(self) -> None:
        if self._spool is not None:
            self._spool.close()

    def _spooled_content(self, path: str) -> BinaryIO:
        assert self._spool is not None
        return cast(BinaryIO, io.BufferedReader(_Section(self._spool, *self._spooled[path]), CHUNK))

    def _keep(self, path: str, content: BinaryIO) -> None:
        if self._spool is None:
            self._spool = self._open_spool()
        offset = self._spool.seek(0, io.SEEK_END)
        while data := content.read(CHUNK):
            self._spool.write(data)
        self._spooled[path] = (offset, self._spool.tell() - offset)


class _Section(io.RawIOBase):
    """A part of a file, as a stream."""

    def __init__(self, file: BinaryIO, offset: int, size: int) -> None:
        self._file, self._at, self._end = file, offset, offset + size

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        view = memoryview(buffer).cast("B")
        self._file.seek(self._at)
        data = self._file.read(min(len(view), self._end - self._at))
        view[: len(data)] = data
        self._at += len(data)
        return len(data)
