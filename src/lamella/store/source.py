"""Images that lie outside the store: in an OCI layout on disk, or in an archive of ``docker save`` or skopeo."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from typing import BinaryIO, NamedTuple, Protocol

from lamella.errors import ImageInvalid, LamellaError, NotFound
from lamella.oci import mediatype
from lamella.oci.config import parse_config
from lamella.oci.descriptor import REF_NAME, Descriptor
from lamella.oci.image import Image
from lamella.oci.manifest import parse_index, parse_manifest
from lamella.oci.platform import Platform, best_match
from lamella.store.blobs import SMALL
from lamella.store.layout import IndexEntry, normal_name, read_index
from lamella.store.mirror import check_layer_count, host_platform
from lamella.store.verified import verified

#: annotation by which containerd and Docker name an image in full, beside a bare tag in ref.name
CONTAINERD_NAME = "io.containerd.image.name"


class NamedImage(NamedTuple):
    """One image of a source, with the names it has there (normal form)."""

    names: tuple[str, ...]
    image: Image


class ImageSource(Protocol):
    """Implements ``lamella.oci.image.BlobSource`` too."""

    def images(self) -> list[NamedImage]:
        """Every image it holds, for this machine's platform where an index offers several. Raises ImageInvalid."""
        ...

    def open_blob(self, descriptor: Descriptor) -> BinaryIO: ...

    def read_blob(self, descriptor: Descriptor) -> bytes: ...

    def close(self) -> None: ...


class LayoutSource:
    """An OCI layout whose files are found by ``open_file`` (path inside it → stream), in a folder or an archive."""

    def __init__(
        self,
        where: str,
        open_file: Callable[[str], io.RawIOBase | None],
        close: Callable[[], None] = lambda: None,
        extra_names: dict[str, tuple[str, ...]] | None = None,
        platform: Platform | None = None,
    ) -> None:
        """``platform`` picks from an index that offers several; None is this machine's."""
        self.where = where
        self._platform = platform or host_platform()
        self._open = open_file
        self.close = close
        self._extra = extra_names or {}

    def images(self) -> list[NamedImage]:
        found: dict[str, NamedImage] = {}
        for entry in self.entries():
            image = self.image(entry.descriptor)
            names = tuple(filter(None, [_name_of(entry.descriptor)])) or self._extra.get(
                str(image.manifest.config.digest), ()
            )
            before = found.get(image.manifest.digest, NamedImage((), image))
            found[image.manifest.digest] = before._replace(names=tuple(dict.fromkeys(before.names + names)))
        return list(found.values())

    def entries(self) -> tuple[IndexEntry, ...]:
        """index.json as it stands. Raises ImageInvalid."""
        raw = self._open("index.json")
        if raw is None:
            raise ImageInvalid("the OCI layout has no index.json", where=self.where)
        with raw:
            return tuple(read_index(raw.read(SMALL) or b"", f"{self.where}: index.json"))

    def open_blob(self, descriptor: Descriptor) -> BinaryIO:
        raw = self._open(f"blobs/{descriptor.digest.algorithm}/{descriptor.digest.encoded}")
        if raw is None:
            raise NotFound(f"{self.where} does not hold this blob", where=str(descriptor.digest))
        return verified(raw, descriptor, ImageInvalid)

    def read_blob(self, descriptor: Descriptor) -> bytes:
        return read_small(self, descriptor)

    def image(self, descriptor: Descriptor) -> Image:
        """The image at an entry, of the platform that is meant. Raises ImageInvalid, NotFound."""
        depth = 0
        while descriptor.media_type in mediatype.INDEXES and depth < 4:
            index = parse_index(self.read_blob(descriptor), str(descriptor.digest))
            descriptor = self._pick(index.manifests, descriptor)
            depth += 1
        manifest = parse_manifest(self.read_blob(descriptor), str(descriptor.digest))
        image = Image(manifest, parse_config(self.read_blob(manifest.config), str(manifest.config.digest)))
        check_layer_count(image)
        return image

    def _pick(self, children: tuple[Descriptor, ...], index: Descriptor) -> Descriptor:
        best = best_match([child.platform for child in children if child.platform], self._platform)
        fitting = [child for child in children if child.platform in (None, best)]
        for child in (*fitting, *children):
            if self._holds(child):
                return child
        raise ImageInvalid("none of the images of an index is there", where=f"{self.where}: {index.digest}")

    def _holds(self, descriptor: Descriptor) -> bool:
        raw = self._open(f"blobs/{descriptor.digest.algorithm}/{descriptor.digest.encoded}")
        if raw is not None:
            raw.close()
        return raw is not None


def folder_source(folder: str, platform: Platform | None = None) -> LayoutSource:
    """The OCI layout in ``folder``. Raises ImageInvalid where there is none."""
    if not os.path.isfile(f"{folder}/oci-layout") and not os.path.isfile(f"{folder}/index.json"):
        raise ImageInvalid("there is no OCI image layout here", where=folder)

    def open_file(path: str) -> io.RawIOBase | None:
        try:
            return io.FileIO(f"{folder}/{path}")
        except FileNotFoundError:
            return None

    return LayoutSource(folder, open_file, platform=platform)


def read_small(source: ImageSource, descriptor: Descriptor) -> bytes:
    if descriptor.size > SMALL:
        raise ImageInvalid(
            f"{descriptor.size} bytes are too many for a manifest or config", where=str(descriptor.digest)
        )
    with source.open_blob(descriptor) as stream:
        return stream.read()


def _name_of(descriptor: Descriptor) -> str | None:
    annotations = dict(descriptor.annotations)
    full = annotations.get(CONTAINERD_NAME) or annotations.get(REF_NAME)
    if not full:
        return None
    try:
        return normal_name(full)
    except LamellaError:
        return None
