"""Images out of the store: archives that ``docker load``, skopeo and podman take, and OCI layouts.

The same images give the same bytes: members are sorted, owned by root, dated 1970.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import BinaryIO, NamedTuple

from lamella.layer.compression import make_compressor, open_decompressed
from lamella.layer.tarformat import END_OF_ARCHIVE, REGULAR, Header, encode_header, padding
from lamella.oci import mediatype
from lamella.oci.descriptor import REF_NAME, Descriptor
from lamella.oci.digest import Digest
from lamella.oci.image import BlobSource, Image
from lamella.oci.manifest import Index, canonical_json, make_manifest
from lamella.oci.reference import parse_reference
from lamella.store.blobs import BlobStore
from lamella.store.disk import disk_error, disk_errors, remove_quietly
from lamella.store.images import storable_name
from lamella.store.layout import IndexEntry, Layout, new_entry, normal_name
from lamella.store.lease import Lease
from lamella.store.mirror import StoredImage
from lamella.store.source import CONTAINERD_NAME
from lamella.store.store import Store

_CHUNK = 1 << 20


class Saved(NamedTuple):
    """An image to save under ``names`` (none: it can be found by its ID only). ``blobs`` is where its blobs are read
    from; None is the store."""

    image: Image
    names: tuple[str, ...]
    blobs: BlobSource | None = None


class _Member(NamedTuple):
    """A file of the archive: bytes, a blob and where it is read from (None: the store), or a blob made for the archive
    and its temporary file."""

    name: str
    content: bytes | tuple[Descriptor, BlobSource | str | None]


def chosen(store: Store, texts: Iterable[str]) -> list[Saved]:
    """What the user's words select: a name saves the image under that name, an ID under none. Raises NotFound."""
    found: dict[Digest, Saved] = {}
    for text in texts:
        image = store.images.resolve(text)
        name = (normal_name(text),) if normal_name(text) in image.names and "@" not in text else ()
        before = found.get(image.descriptor.digest, Saved(image.image, ()))
        found[image.descriptor.digest] = before._replace(names=tuple(dict.fromkeys(before.names + name)))
    return list(found.values())


def save_docker_archive(store: Store, images: Sequence[Saved | StoredImage], sink: BinaryIO) -> None:
    """An archive for ``docker load`` (since 1.10) that is an OCI layout too, as Docker 25 and later write it.

    zstd layers, which older Dockers do not know, become gzip. Raises NotFound and StoreDamaged for missing and damaged
    blobs, after some bytes may have gone to ``sink``."""
    with docker_archive_chunks(store, images) as chunks:
        _write(chunks, sink)


@contextmanager
def docker_archive_chunks(store: Store, images: Sequence[Saved | StoredImage]) -> Iterator[Iterator[bytes]]:
    """The same archive piece by piece, for whoever sends it on. Asking for a piece raises as the above does."""
    made: dict[Digest, str] = {}  # blobs made for this archive → temporary files
    try:
        saved = [_for_docker(store, _saved(each), made) for each in images]
        listing = [
            {
                "Config": _blob_name(each.image.manifest.config.digest),
                "RepoTags": list(each.names) or None,
                "Layers": [_blob_name(layer.digest) for layer in each.image.manifest.layers],
            }
            for each in saved
        ]
        data = canonical_json(listing)
        yield _chunks(store, [*_layout_files(saved, made), _Member("manifest.json", data)])
    finally:
        for path in made.values():
            remove_quietly(path)


def save_oci_archive(store: Store, images: Sequence[Saved | StoredImage], sink: BinaryIO) -> None:
    """An OCI layout as a tar archive (skopeo's ``oci-archive:``); every blob as it is stored."""
    _write(_chunks(store, _layout_files([_saved(each) for each in images], {})), sink)


def save_oci_index(store: Store, index: Index, images: Sequence[Image], names: Sequence[str], sink: BinaryIO) -> None:
    """A multi-platform image as an OCI archive. ``images`` are all that ``index`` names."""
    files = _blob_files([Saved(image, ()) for image in images], {})
    name = _blob_name(index.digest)
    files[name] = _Member(name, index.raw)
    members = _layout_of(files, _named(index.descriptor, [storable_name(each) for each in names]))
    _write(_chunks(store, members), sink)


def save_oci_layout(store: Store, images: Sequence[Saved | StoredImage], folder: str) -> None:
    """Puts the images into the OCI layout in ``folder``, which is made if it is not there and keeps what it holds."""
    import shutil

    layout = Layout(folder)
    if not layout.exists():
        layout.create()
    lease = Lease(f"{folder}/.lamella", f"{folder}/.lamella")
    blobs = BlobStore(folder, lease)
    entries = list(layout.read().entries)
    try:
        for saved in map(_saved, images):
            for blob in (*saved.image.manifest.layers, saved.image.manifest.config):
                if not blobs.holds(blob):
                    with (saved.blobs or store.blobs).open_blob(blob) as stream, blobs.writer(hashing=False) as writer:
                        while chunk := stream.read(_CHUNK):
                            writer.write(chunk)
                        writer.commit(trusted=blob.digest)
            blobs.put(saved.image.manifest.raw)
            added = _entries(saved)
            taken = {entry.name or entry.descriptor.digest for entry in added}
            entries = [entry for entry in entries if (entry.name or entry.descriptor.digest) not in taken] + added
        blobs.sync()
        layout.write(entries, f"{folder}/.index.json.{os.getpid()}")
    finally:
        lease.release()
        shutil.rmtree(f"{folder}/.lamella", ignore_errors=True)


def _saved(image: Saved | StoredImage) -> Saved:
    if isinstance(image, Saved):
        return image
    return Saved(image.image, tuple(name for name in image.names if "@" not in name))


def _entries(saved: Saved) -> list[IndexEntry]:
    return _named(saved.image.manifest.descriptor._replace(platform=saved.image.config.platform), saved.names)


def _named(descriptor: Descriptor, names: Sequence[str]) -> list[IndexEntry]:
    if not names:
        return [new_entry(descriptor, None)]
    made = []
    for name in names:
        annotations: tuple[tuple[str, str], ...] = ((REF_NAME, name),)
        if ":" in name:  # else it is a bare tag, which names no image in full
            annotations = ((CONTAINERD_NAME, str(parse_reference(name))), *annotations)
        named = descriptor._replace(annotations=annotations)
        made.append(IndexEntry(named.to_json(), named, normal_name(name)))
    return made


def _layout_files(images: Sequence[Saved], made: dict[Digest, str]) -> list[_Member]:
    return _layout_of(_blob_files(images, made), [entry for saved in images for entry in _entries(saved)])


def _blob_files(images: Sequence[Saved], made: dict[Digest, str]) -> dict[str, _Member]:
    files: dict[str, _Member] = {}
    for image, _, blobs in images:
        for blob in (*image.manifest.layers, image.manifest.config):
            name = _blob_name(blob.digest)
            files[name] = _Member(name, (blob, made.get(blob.digest, blobs)))
        name = _blob_name(image.manifest.digest)
        files[name] = _Member(name, image.manifest.raw)
    return files


def _layout_of(files: dict[str, _Member], entries: Sequence[IndexEntry]) -> list[_Member]:
    manifests = [entry.data for entry in entries]
    index = canonical_json({"schemaVersion": 2, "mediaType": mediatype.OCI_INDEX, "manifests": manifests})
    marker = canonical_json({"imageLayoutVersion": "1.0.0"})
    ordered = [files[name] for name in sorted(files)]
    return [*ordered, _Member("index.json", index), _Member("oci-layout", marker)]


def _for_docker(store: Store, saved: Saved, made: dict[Digest, str]) -> Saved:
    """The image with its zstd layers as gzip, in temporary files that ``made`` is told of."""
    manifest = saved.image.manifest
    layers = tuple(
        _as_gzip(store, saved.blobs or store.blobs, layer, made)
        if mediatype.compression_of(layer.media_type) == "zstd"
        else layer
        for layer in manifest.layers
    )
    if layers != manifest.layers:
        manifest = make_manifest(manifest.config, layers, manifest.annotations)
    return saved._replace(image=Image(manifest, saved.image.config))


def _as_gzip(store: Store, blobs: BlobSource, layer: Descriptor, made: dict[Digest, str]) -> Descriptor:
    path = store.temporary_path(".gzip")
    made[layer.digest] = path  # so that it is removed whatever happens
    compressor, state, size = make_compressor("gzip"), hashlib.sha256(), 0
    with (
        disk_errors(path, "write an archive"),
        blobs.open_blob(layer) as stored,
        open_decompressed(stored, str(layer.digest)) as content,
        open(path, "xb") as file,
    ):
        while True:
            chunk = content.read(_CHUNK)
            data = compressor.compress(chunk) if chunk else compressor.flush()
            state.update(data)
            size += file.write(data)
            if not chunk:
                break
    digest = Digest("sha256:" + state.hexdigest())
    made[digest] = made.pop(layer.digest)
    return Descriptor(mediatype.OCI_LAYER_GZIP, digest, size)


def _chunks(store: Store, members: Iterable[_Member]) -> Iterator[bytes]:
    """The archive of these members, its end included."""
    for name, content in members:
        if isinstance(content, bytes):
            size = len(content)
            yield _header(name, size) + content
        else:
            blob, source = content
            size = blob.size
            yield _header(name, size)
            with open(source, "rb") if isinstance(source, str) else (source or store.blobs).open_blob(blob) as stream:
                while chunk := stream.read(_CHUNK):
                    yield chunk
        yield bytes(padding(size))
    yield END_OF_ARCHIVE


def _write(chunks: Iterable[bytes], sink: BinaryIO) -> None:
    try:
        for chunk in chunks:
            sink.write(chunk)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise disk_error(error, str(getattr(sink, "name", "archive")), "write the archive") from None


def _header(name: str, size: int) -> bytes:
    return encode_header(Header(name.encode(), 0o644, 0, 0, size, 0, REGULAR, b"", 0, 0))


def _blob_name(digest: Digest) -> str:
    return f"blobs/{digest.algorithm}/{digest.encoded}"
