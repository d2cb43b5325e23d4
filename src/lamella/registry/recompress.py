"""A layer of another compression on its way out: decompressed, verified by its diff ID, compressed into a file."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from typing import BinaryIO, NamedTuple

from lamella.errors import Interrupted, UsageError
from lamella.layer.compression import DEFAULT_LEVEL, make_compressor
from lamella.layer.verified import open_layer
from lamella.oci import mediatype
from lamella.oci.descriptor import Descriptor
from lamella.oci.digest import Digest
from lamella.oci.image import BlobSource, LayerRef
from lamella.store.disk import disk_errors, remove_quietly

_CHUNK = 1 << 20


class Compression(NamedTuple):
    """What layers are sent as. ``method`` is ``gzip`` or ``zstd``; None keeps them as they are, but for plain tars,
    which become gzip. ``level`` None is the method's own; ``force`` compresses again what is of this method already."""

    method: str | None = None
    level: int | None = None
    force: bool = False

    def check(self) -> None:
        """Raises UsageError for what does not go together, or does not exist."""
        if self.method is None and (self.level is not None or self.force):
            flag = "--compression-level" if self.level is not None else "--force-compression"
            raise UsageError(f"{flag} says nothing without --compression", hint="add --compression gzip or zstd")
        if self.method is not None:
            make_compressor(self.method, self.level)

    def of(self, layer: Descriptor) -> str | None:
        """By which method and level the layer is to be compressed, as ``zstd:3``; None where it stays as it is."""
        found = mediatype.compression_of(layer.media_type)
        method = self.method or ("gzip" if found == "none" else None)
        if method is None or (found == method and not self.force):
            return None
        return f"{method}:{DEFAULT_LEVEL[method] if self.level is None else self.level}"


def recompress(
    blobs: BlobSource,
    ref: LayerRef,
    method: str,
    path: str,
    *,
    told: Callable[[int], None],
    cancelled: Callable[[], bool],
) -> Descriptor:
    """Writes the layer, compressed by ``method`` (``zstd:3``), to the new file ``path``; ``told`` is given the bytes
    read of its content. The same layer gives the same bytes. Raises ImageInvalid, NoSpace, Interrupted; no file is left
    then."""
    name, _, level = method.partition(":")
    compressor, state, size, done = make_compressor(name, int(level)), hashlib.sha256(), 0, 0
    try:
        with (
            disk_errors(path, "compress a layer"),
            blobs.open_blob(ref.blob) as stored,
            open_layer(stored, ref.diff_id, str(ref.blob.digest)) as content,
            open(path, "xb", buffering=0) as file,
        ):
            while True:
                if cancelled():
                    raise Interrupted("the transfer was cancelled")
                chunk = content.read(_CHUNK)
                data = compressor.compress(chunk) if chunk else compressor.flush()
                state.update(data)
                size += _write(file, data)
                done += len(chunk)
                told(done)
                if not chunk:
                    break
    except BaseException:
        remove_quietly(path)
        raise
    return Descriptor(mediatype.layer_media_type(name), Digest("sha256:" + state.hexdigest()), size)


def _write(file: object, data: bytes) -> int:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(file.fileno(), rest) :]  # type: ignore[attr-defined]
    return len(data)


def open_file(path: str) -> BinaryIO:
    return open(path, "rb")
