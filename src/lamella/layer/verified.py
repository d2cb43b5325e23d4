"""A layer's content, checked against its diff ID while it is read."""

from __future__ import annotations

import hashlib
from typing import BinaryIO

from lamella.errors import ImageInvalid
from lamella.layer.compression import open_decompressed
from lamella.layer.limits import SWELLING, Swelling
from lamella.oci.digest import DiffID


class Passed:
    """Counts the content that went by, in bytes."""

    size = 0


def open_layer(
    stream: BinaryIO,
    diff_id: DiffID,
    where: str,
    *,
    swelling: Swelling | None = SWELLING,
    passed: Passed | None = None,
) -> BinaryIO:
    """The uncompressed tar of the blob ``stream``. Reading it to the end raises ImageInvalid where it is not the layer
    of that diff ID; until then nothing of it should be trusted. ``swelling`` bounds how much comes out;
    close it before ``stream``."""
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

    return open_decompressed(stream, where, swelling=swelling, tap=check)
