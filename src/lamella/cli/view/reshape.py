"""Images that are made from others: where the old ones come from, and what the new ones save."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from lamella.cli.text.docker import human_size
from lamella.oci.image import Image
from lamella.registry.locate import open_image
from lamella.store.load import put_image

if TYPE_CHECKING:
    from lamella.store.store import Store


@contextmanager
def stored_image(text: str, store: Store) -> Iterator[Image]:
    """Any IMAGE of the command line, with its layers in the store meanwhile. One that came for this alone is not left
    in the list of images. Raises NotFound, InputError, ImageInvalid."""
    with open_image(text, store) as located:
        if located.blobs is store.blobs:
            yield located.image
            return
        known = {entry.descriptor.digest for entry in store.images.entries()}
        stored = put_image(store, located.blobs, located.image, ())
        try:
            yield stored.image
        finally:
            if stored.descriptor.digest not in known:
                store.images.forget(stored.descriptor.digest)


def known_base(text: str, image: Image, store: Store, hint: str) -> Image:
    """The base of the image that the user calls ``text``. Raises UsageError with ``hint`` where nobody knows it."""
    from lamella.cli.view.image import find_base
    from lamella.errors import UsageError

    base = find_base(image, store)
    if base is None:
        raise UsageError(f"nothing tells which base {text} stands on", hint=hint)
    return base.image


def change_line(store: Store, before: Image, after: Image) -> str:
    """``layers 7 -> 2, bytes 105MB -> 52.4MB``."""
    sizes = [human_size(sum(_size(store, image))) for image in (before, after)]
    return f"layers {len(before.layers)} -> {len(after.layers)}, bytes {sizes[0]} -> {sizes[1]}"


def _size(store: Store, image: Image) -> Iterator[int]:
    for layer in image.layers:
        store.layers.ensure_toc(layer)
        yield store.layers.uncompressed_size(layer.diff_id)
