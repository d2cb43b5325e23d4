"""A base image of a root file system's archive, as ``docker import`` makes one."""

from __future__ import annotations

import os
import sys
import time
from typing import BinaryIO

from lamella.errors import InputError, LamellaError
from lamella.layer.compression import open_decompressed
from lamella.layer.decoders import detect_compression
from lamella.oci import mediatype
from lamella.oci.config import HistoryEntry, ImageConfig, RunConfig
from lamella.oci.descriptor import Descriptor
from lamella.oci.digest import Digest
from lamella.oci.manifest import make_manifest
from lamella.oci.platform import Platform
from lamella.store.images import storable_name
from lamella.store.instant import format_instant
from lamella.store.load import copy_layer
from lamella.store.mirror import StoredImage, host_platform
from lamella.store.store import Store


def import_rootfs(
    store: Store,
    path: str,
    name: str | None,
    *,
    created: str = "",
    config: RunConfig | None = None,
    platform: Platform | None = None,
    message: str = "",
    stream: BinaryIO | None = None,
) -> StoredImage:
    """Stores the archive at ``path`` (``-``: standard input, or ``stream``) as an image of one layer.

    gzip and zstd archives become the layer as they are, others are compressed by gzip; the diff ID is in any case that
    of the archive's tar. ``created`` is RFC 3339 text ("": now).

    Raises InputError, and ImageInvalid for a broken archive."""
    names = [storable_name(name)] if name else []  # before anything is read
    where = "standard input" if path == "-" else path
    with _opened(path, stream) as source:
        start = source.peek(6)[:6]  # type: ignore[attr-defined]
        if not start:
            raise InputError("the archive is empty", where=where)
        compression = detect_compression(start)
        try:
            if compression in ("gzip", "zstd"):
                packed = copy_layer(store, source, mediatype.layer_media_type(compression))
            else:
                with open_decompressed(source, where) as plain:
                    packed = copy_layer(store, plain, mediatype.OCI_LAYER_GZIP, recompress=True)
        except LamellaError as error:
            if error.where == "layer" or (error.where or "").startswith("layer:"):
                error.where = where + (error.where or "").removeprefix("layer")
            raise
    store.layers.record(packed)
    created = created or format_instant(time.time_ns())
    message = message or f"Imported from {path if path == '-' else os.path.basename(path)}"
    history = HistoryEntry(created=created, comment=message)
    image = ImageConfig(
        b"", platform or host_platform(), config or RunConfig(), (packed.diff_id,), (history,), created
    ).encode()
    described = Descriptor(mediatype.OCI_CONFIG, Digest.of(image.raw), len(image.raw))
    return store.images.put(make_manifest(described, (packed.blob,)).raw, image.raw, names)


def _opened(path: str, stream: BinaryIO | None) -> BinaryIO:
    import io

    if stream is not None:
        return stream if hasattr(stream, "peek") else io.BufferedReader(stream)  # type: ignore[type-var]
    if path == "-":
        return os.fdopen(os.dup(sys.stdin.fileno()), "rb")
    if os.path.isdir(path):
        raise InputError("a folder cannot be imported", where=path, hint=f"tar -C {path} -c . | lamella import - NAME")
    try:
        return open(path, "rb")
    except OSError as error:
        raise InputError(f"the archive cannot be opened: {(error.strerror or '').lower()}", where=path) from None
