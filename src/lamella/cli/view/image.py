"""An image opened for the commands that look into one: located, its layers read, its base recognised."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from lamella.filetree.entry import Entry
from lamella.insight.stack import Base, LayerBytes, Stack, image_stack, layer_content
from lamella.oci.image import Image, LayerRef
from lamella.prove.model import Side
from lamella.prove.open import Contents, read_contents, side_of
from lamella.registry.locate import open_image

if TYPE_CHECKING:
    from lamella.store.mirror import StoredImage
    from lamella.store.store import Store

_BASE_NAME = "org.opencontainers.image.base.name"
_BASE_DIGEST = "org.opencontainers.image.base.digest"


class ViewedImage(NamedTuple):
    """``name`` is what the user called it."""

    name: str
    image: Image
    contents: Contents

    def side(self) -> Side:
        return side_of(self.image, self.contents, self.name)


def view_image(text: str, store: Store) -> ViewedImage:
    """``text`` is any IMAGE of the command line. Raises NotFound, InputError, ImageInvalid."""
    with open_image(text, store) as located:
        return ViewedImage(text, located.image, read_contents(located.image, located.blobs, store))


def stack_of(viewed: ViewedImage, store: Store) -> Stack:
    """The measured layer stack."""
    layers = [_measure(*one) for one in zip(viewed.image.layers, viewed.contents, strict=True)]
    base = _base_of(viewed.image, layers, store)
    return image_stack(viewed.name, viewed.image.config.history, layers, base)


def _measure(layer: LayerRef, entries: list[Entry]) -> LayerBytes:
    return LayerBytes(str(layer.blob.digest), layer.diff_id, layer_content(entries), layer.blob.size, len(entries))


def _base_of(image: Image, layers: list[LayerBytes], store: Store) -> Base:
    """Where nobody knows, the base is empty."""
    found = find_base(image, store)
    name = dict(image.manifest.annotations).get(_BASE_NAME, "")
    if found is None:
        return Base(name, 0, 0)
    count = len(found.diff_ids)
    size = sum(layer.content for layer in layers[:count])
    return Base(name or found.names[0], count, size, len(found.image.config.history))


def find_base(image: Image, store: Store) -> StoredImage | None:
    """The image that this one stands on: the one its annotations name, or the highest named one of the store whose
    layers and history it begins with."""
    digest = dict(image.manifest.annotations).get(_BASE_DIGEST)
    candidates = [one for one in store.images.list() if one.names and _stands_on(image, one)]
    named = [one for one in candidates if str(one.descriptor.digest) == digest or str(one.root.digest) == digest]
    return max(named or candidates, key=lambda one: len(one.diff_ids), default=None)


def _stands_on(image: Image, other: StoredImage) -> bool:
    own = image.config.diff_ids
    if not 0 < len(other.diff_ids) < len(own) or own[: len(other.diff_ids)] != other.diff_ids:
        return False
    history = other.image.config.history
    return image.config.history[: len(history)] == history
