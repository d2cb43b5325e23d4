"""Images as values: layers and a config put together into config bytes and a manifest.

What a base image's manifest says of its layers is kept byte for byte where it is OCI's; Docker's media types become
their OCI counterparts, all of them, since one manifest should not mix the two. Digests and sizes never change by it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from lamella.errors import ImageInvalid
from lamella.oci import mediatype
from lamella.oci.config import HistoryEntry, ImageConfig, RunConfig
from lamella.oci.descriptor import Annotations, Descriptor
from lamella.oci.digest import Digest
from lamella.oci.image import Image, LayerRef
from lamella.oci.manifest import make_manifest
from lamella.oci.platform import Platform


def assemble(
    base: Image | None,
    layers: Sequence[LayerRef],
    config: RunConfig,
    history: Iterable[HistoryEntry],
    *,
    platform: Platform | None = None,
    created: str = "",
    author: str | None = None,
    annotations: Annotations = (),
) -> Image:
    """An image of ``base``'s layers and history with ``layers`` and ``history`` on top. ``created`` is RFC 3339 text.

    ``platform`` and ``author`` are the base's where None. The image's blobs to store are ``config.raw`` and
    ``manifest.raw``."""
    if base is not None:
        validate(base, str(base.manifest.digest))
    below = () if base is None else base.layers
    if platform is None:
        platform = base.config.platform if base is not None else Platform("linux", "amd64")
    if author is None:
        author = base.config.author if base is not None else ""
    stack = (*below, *layers)
    image_config = ImageConfig(
        b"",
        platform,
        config,
        tuple(layer.diff_id for layer in stack),
        (*(base.config.history if base is not None else ()), *history),
        created,
        author,
        base.config.other if base is not None else (),
    )
    return from_config(image_config, [layer.blob for layer in stack], annotations)


def from_config(config: ImageConfig, blobs: Iterable[Descriptor], annotations: Annotations = ()) -> Image:
    """The image of a config, encoded anew, and of its layers' blobs, bottom first."""
    encoded = config.encode()
    descriptor = Descriptor(mediatype.OCI_CONFIG, Digest.of(encoded.raw), len(encoded.raw))
    image = Image(make_manifest(descriptor, tuple(map(as_oci, blobs)), annotations), encoded)
    validate(image, str(image.manifest.digest))
    return image


def append_layer(image: Image, layer: LayerRef, history: HistoryEntry, *, created: str = "") -> Image:
    """``image`` with one more layer on top; ``created`` is kept where it is ""."""
    config = image.config
    return from_config(
        config._replace(
            diff_ids=(*config.diff_ids, layer.diff_id),
            history=(*config.history, history),
            created=created or config.created,
        ),
        (*image.manifest.layers, layer.blob),
        image.manifest.annotations,
    )


def with_config(image: Image, config: RunConfig, history: Iterable[HistoryEntry] = (), *, created: str = "") -> Image:
    """``image`` that starts its containers with ``config``; ``history`` should be of empty layers."""
    changed = image.config._replace(
        config=config,
        history=(*image.config.history, *history),
        created=created or image.config.created,
    )
    return from_config(changed, image.manifest.layers, image.manifest.annotations)


def as_oci(layer: Descriptor) -> Descriptor:
    """A layer's descriptor with OCI's media type in place of Docker's; any other stays as it is."""
    compression = mediatype.compression_of(layer.media_type)
    if compression is None or layer.media_type == mediatype.layer_media_type(compression):
        return layer
    return layer._replace(media_type=mediatype.layer_media_type(compression))


def validate(image: Image, where: str) -> None:
    """Raises ImageInvalid when the config does not name one diff ID for each layer, or a layer's media type is not
    known. A history that does not fit the layers is let pass: real images have such."""
    diff_ids, layers = len(image.config.diff_ids), len(image.manifest.layers)
    if diff_ids != layers:
        raise ImageInvalid(f"the manifest has {layers} layers, but the config names {diff_ids} diff IDs", where=where)
    for layer in image.manifest.layers:
        if mediatype.compression_of(layer.media_type) is None:
            raise ImageInvalid(f"{layer.digest.short} is of type {layer.media_type!r}, no layer's", where=where)
