"""What an image is to those who read one, wherever it lies."""

from __future__ import annotations

from typing import BinaryIO, NamedTuple, Protocol

from lamella.oci.config import ImageConfig
from lamella.oci.descriptor import Descriptor
from lamella.oci.digest import DiffID
from lamella.oci.manifest import Manifest


class LayerRef(NamedTuple):
    """A layer both ways: what it holds (``diff_id``) and how it is stored (``blob``)."""

    diff_id: DiffID
    blob: Descriptor


class Image(NamedTuple):
    """A manifest with its config, parsed; the layers lie wherever a BlobSource has them."""

    manifest: Manifest
    config: ImageConfig

    @property
    def layers(self) -> tuple[LayerRef, ...]:
        """Bottom first."""
        return tuple(map(LayerRef, self.config.diff_ids, self.manifest.layers))


class BlobSource(Protocol):
    """Something blobs can be read from. Reads are verified: digest and size."""

    def open_blob(self, descriptor: Descriptor) -> BinaryIO:
        """A stream of the stored bytes. Reading to the end raises ImageInvalid or StoreDamaged on a mismatch;
        raises NotFound when the blob is not there."""
        ...

    def read_blob(self, descriptor: Descriptor) -> bytes:
        """The stored bytes of a small blob (a manifest or config; 4 MiB at most), verified."""
        ...
