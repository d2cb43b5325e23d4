"""Images from elsewhere into the store: every digest, size and diff ID is verified on the way."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from typing import BinaryIO, cast

from lamella.errors import ImageInvalid, InputError, LamellaError
from lamella.layer.compression import make_compressor
from lamella.layer.index import index_layer
from lamella.layer.packed import PackedLayer
from lamella.oci import mediatype
from lamella.oci.descriptor import Descriptor
from lamella.oci.digest import Digest
from lamella.oci.image import BlobSource, Image, LayerRef
from lamella.oci.manifest import make_manifest
from lamella.store.blobs import BlobWriter
from lamella.store.collect import discard
from lamella.store.dockerarchive import DockerSource, archive_source
from lamella.store.images import storable_name
from lamella.store.mirror import StoredImage
from lamella.store.source import ImageSource
from lamella.store.store import Store


def load_archive(store: Store, path: str, stream: BinaryIO | None = None) -> list[StoredImage]:
    """Stores every image of an archive at ``path`` (``-``: standard input, or ``stream``) under its names.

    Raises InputError when it cannot be opened, ImageInvalid when it is broken or hostile; nothing stays then."""
    source = open_archive(path, store.temporary_path(".tar"), stream)
    try:
        images = source.images()
        if not images:
            raise ImageInvalid("the archive holds no image", where=path)
        # The older form of docker save has no manifests that could be kept, so its layers are compressed.
        compress = isinstance(source, DockerSource)
        return [put_image(store, source, image, names, compress=compress) for names, image in images]
    finally:
        source.close()


def open_archive(path: str, temporary: str, stream: BinaryIO | None = None) -> ImageSource:
    """The archive at ``path``, read in place if it can be."""
    if stream is None:
        if path == "-":
            stream = sys.stdin.buffer
        else:
            try:
                stream = open(path, "rb")  # noqa: SIM115
            except OSError as error:
                raise InputError(f"the archive cannot be opened: {error.strerror}", where=path) from None
            if os.path.isdir(path):
                raise InputError("a folder is no archive", where=path)
    where = "standard input" if path == "-" else path
    return archive_source(stream, where, temporary)


def put_image(
    store: Store, source: BlobSource, image: Image, names: Iterable[str], *, compress: bool = False
) -> StoredImage:
    """Copies one image. With ``compress`` plain layers are stored as gzip and the manifest is made anew; without, all
    blobs stay as they are. On an error the blobs that came are removed again."""
    came: list[Digest] = []
    try:
        layers = tuple(_put_layer(store, source, ref, compress, came) for ref in image.layers)
        manifest = image.manifest
        if layers != manifest.layers:
            config = manifest.config._replace(media_type=mediatype.OCI_CONFIG)
            manifest = make_manifest(config, layers, manifest.annotations)
        return store.images.put(manifest.raw, image.config.raw, [name for name in names if _nameable(name)])
    except BaseException:
        discard(store, came)
        raise


def put_layers(store: Store, source: BlobSource, image: Image) -> Image:
    """Copies the layers of an image alone, so that it can be built on; it gets no entry in the store."""
    came: list[Digest] = []
    try:
        for ref in image.layers:
            _put_layer(store, source, ref, False, came)
        return image
    except BaseException:
        discard(store, came)
        raise


def _nameable(name: str) -> bool:
    try:
        return storable_name(name) == name
    except LamellaError:
        return False


def _put_layer(store: Store, source: BlobSource, ref: LayerRef, compress: bool, came: list[Digest]) -> Descriptor:
    if compress and (known := store.layers.find(ref.diff_id)) is not None:
        return known.blob
    if store.blobs.touch(ref.blob):
        store.layers.ensure_toc(ref)
        return ref.blob
    plain = mediatype.compression_of(ref.blob.media_type) == "none"
    with source.open_blob(ref.blob) as stream:
        packed = copy_layer(store, stream, ref.blob.media_type, recompress=compress and plain, announced=ref.blob)
    came.append(packed.blob.digest)
    if packed.diff_id != ref.diff_id:
        raise ImageInvalid(
            f"the layer's content has the diff ID {packed.diff_id}, the config says {ref.diff_id}",
            where=str(ref.blob.digest),
            hint="the image is broken or forged; get it again from its source",
        )
    store.layers.record(packed)
    return packed.blob


def copy_layer(
    store: Store, stream: BinaryIO, media_type: str, *, recompress: bool = False, announced: Descriptor | None = None
) -> PackedLayer:
    """Writes one layer to the store while it is indexed. ``announced`` is what has to come, where that is known.

    With ``recompress`` (an uncompressed tar) it is stored as gzip, whatever ``media_type`` says."""
    where = str(announced.digest) if announced else "layer"
    with store.blobs.writer(hashing=recompress) as writer:
        if recompress:
            sink = _Compressing(writer)
            index = index_layer(cast(BinaryIO, _Copying(stream, sink)), where)
            sink.finish()
            stored = Descriptor(mediatype.OCI_LAYER_GZIP, writer.commit(), writer.size)
        else:
            index = index_layer(cast(BinaryIO, _Copying(stream, writer)), where)
            expected = (announced.digest, announced.size) if announced else (None, None)
            stored = Descriptor(media_type, writer.commit(*expected, trusted=index.digest), writer.size)
    return PackedLayer(index.diff_id, stored, index.uncompressed, index.entries)


class _Compressing:
    """Compresses what is written on its way to a blob."""

    def __init__(self, writer: BlobWriter) -> None:
        self._writer = writer
        self._compressor = make_compressor("gzip")

    def write(self, data: bytes) -> int:
        self._writer.write(self._compressor.compress(data))
        return len(data)

    def finish(self) -> None:
        self._writer.write(self._compressor.flush())


class _Copying:
    """A stream that writes what is read from it to a sink."""

    def __init__(self, stream: BinaryIO, sink: BlobWriter | _Compressing) -> None:
        self._stream, self._sink = stream, sink

    def read(self, size: int = -1) -> bytes:
        data = self._stream.read(size)
        if data:
            self._sink.write(data)
        return data
