"""The layers of an image as snapshots: found where they are unpacked already, else unpacked."""

from __future__ import annotations

from lamella.errors import ImageInvalid
from lamella.layer.compression import open_decompressed
from lamella.oci.digest import ChainID, chain_ids
from lamella.oci.image import BlobSource, Image, LayerRef
from lamella.snapshot.protocol import Snapshot, Snapshotter


def unpack_blob(
    snapshotter: Snapshotter, below: Snapshot | None, layer: LayerRef, chain: ChainID, blobs: BlobSource
) -> Snapshot:
    """Unpacks one layer on ``below``. Raises ImageInvalid, NoSpace."""
    with (
        blobs.open_blob(layer.blob) as stream,
        open_decompressed(stream, where=layer.blob.digest) as tar,
    ):
        return snapshotter.unpack(below, tar, chain, str(layer.blob.digest))


def unpack_image(snapshotter: Snapshotter, image: Image, blobs: BlobSource, where: str) -> Snapshot | None:
    """The whole image; None where it has no layer. Only layers above the uppermost snapshot that is there are read.

    Raises ImageInvalid, also where manifest and config of the image ``where`` disagree; NoSpace."""
    if len(image.config.diff_ids) != len(image.manifest.layers):
        raise ImageInvalid(
            f"the image's manifest has {len(image.manifest.layers)} layers, its config {len(image.config.diff_ids)}",
            where=where,
        )
    chains = chain_ids(image.config.diff_ids)
    missing = len(chains)
    snapshot: Snapshot | None = None
    while missing and snapshot is None:
        snapshot = snapshotter.find(chains[missing - 1])
        missing -= snapshot is None
    for layer, chain in zip(image.layers[missing:], chains[missing:], strict=True):
        snapshot = unpack_blob(snapshotter, snapshot, layer, chain, blobs)
    return snapshot
