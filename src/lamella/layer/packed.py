"""What goes into a layer, and what comes out of packing one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import BinaryIO, NamedTuple, Protocol

from lamella.filetree.entry import Entry
from lamella.oci.descriptor import Descriptor
from lamella.oci.digest import DiffID
from lamella.oci.image import LayerRef


class Sink(Protocol):
    """What a layer is written to."""

    def write(self, data: bytes, /) -> int | None: ...


class PackItem(NamedTuple):
    """One entry to pack. A FILE's content is ``data``, or is read from ``host_path`` (never following a symlink), or
    from ``content``, when it is its turn."""

    entry: Entry
    host_path: str | None = None
    data: bytes | None = None
    content: BinaryIO | None = None


class PackedLayer(NamedTuple):
    """``uncompressed`` is the tar's size in bytes; ``entries`` its table of contents, with content digests."""

    diff_id: DiffID
    blob: Descriptor
    uncompressed: int
    entries: Sequence[Entry]

    @property
    def ref(self) -> LayerRef:
        return LayerRef(self.diff_id, self.blob)
