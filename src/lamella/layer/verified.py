"""A layer's content, checked against its diff ID while it is read."""

from __future__ import annotations

import hashlib
from typing import BinaryIO, NamedTuple

from lamella.errors import ImageInvalid
from lamella.layer.compression import open_decompressed
from lamella.oci.digest import DiffID


class Swelling(NamedTuple):
    """How much a layer from elsewhere may grow when it is decompressed: to ``free`` bytes in any case, beyond that to
    ``ratio`` times its size. Files of nothing but zeros shrink to a thousandth by gzip, and there are layers with such
    files; what swells beyond both bounds is taken for a trap."""

    ratio: int = 250
    free: int = 1 << 30


class Passed:
    """Counts the content that went by, in bytes."""

    size = 0


def open_layer(
    stream: BinaryIO,
    diff_id: DiffID,
    where: str,
    *,
    limit: int | None = None,
    ratio: int | None = None,
    free: int | None = None,
    passed: Passed | None = None,
) -> BinaryIO:
    """The uncompressed tar of the blob ``stream``. Reading it to the end raises ImageInvalid where it is not the layer
    of that diff ID; until then nothing of it should be trusted. ``limit``, ``ratio`` and ``free`` are those of
    :func:`open_decompressed`; close it before ``stream``."""
    state = hashlib.new(diff_id.algorithm)

    def check(data: bytes) -> None:
        if data:
            state.update(data)
            if passed is not None:
                passed.size += len(data)
        elif (found := state.hexdigest()) != diff_id.encoded:
            raise ImageInvalid(
                f"the layer's content has the diff ID {diff_id.algorithm}:{found}, its image says {diff_id}",
                where=where,
                hint="the image is broken or forged; get it again from its source",
            )

    return open_decompressed(stream, where, limit=limit, ratio=ratio, free=free, tap=check)
