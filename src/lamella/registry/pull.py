"""From a registry into the store: manifest or index, config, layers; the name comes last.

What is pulled has the registry's digests, byte for byte, with one exception: a layer that the store has already under
another digest (of another compression) is not fetched. The manifest then names the blob that is here; the image ID is
the same, and the store remembers which digest the image has in the registry. Where a digest or a multi-platform image
is pulled, nothing is replaced.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from lamella.errors import NotFound, NotSupported, StoreDamaged
from lamella.events import Emit, Note, Transferred, ignore
from lamella.oci import mediatype
from lamella.oci.descriptor import Descriptor
from lamella.oci.digest import Digest
from lamella.oci.image import Image
from lamella.oci.manifest import Index, is_image, make_manifest, parse_manifest
from lamella.oci.platform import Platform
from lamella.oci.reference import Reference
from lamella.registry.layers import Came, LayersIn
from lamella.registry.remote_image import RemoteImage, check_count, fetch_config, fetch_entry, find_image
from lamella.snapshot.protocol import Snapshotter
from lamella.store.blobs import BlobWriter
from lamella.store.mirror import StoredImage, host_platform
from lamella.store.store import Store

if TYPE_CHECKING:
    from lamella.registry.client import Repository


class Pulled(NamedTuple):
    """``digest`` is that of the manifest or index in the registry; ``image`` is for the platform that was asked for;
    ``changed`` is False where the store had all of it already."""

    name: str
    digest: Digest
    image: StoredImage
    changed: bool


class Pull(NamedTuple):
    """One pull's tools. ``stop`` ends it from outside; it is set on the first error. The layers of the image for
    ``platform`` (None: this machine's) are unpacked while they come into what ``unpacker`` gives; it is called in the
    calling thread, after the registry has answered and before threads are started."""

    repository: Repository
    reference: Reference
    store: Store
    stop: threading.Event
    platform: Platform | None = None
    all_platforms: bool = False
    unpacker: Callable[[], Snapshotter | None] = lambda: None
    emit: Emit = ignore

    @property
    def name(self) -> str:
        """What the image is called here: a digest wins over a tag."""
        reference = self.reference
        return reference._replace(tag=None).familiar if reference.digest is not None else reference.familiar

    @property
    def home(self) -> str:
        return f"{self.reference.domain}/{self.reference.repository}"


def pull(job: Pull) -> Pulled:
    """Fetches what the store lacks. Raises NotFound, ImageInvalid, NotSupported, RegistryError, MachineError,
    Interrupted; the store is whole whatever happens, and blobs that came whole are not fetched again the next time."""
    began = time.monotonic()
    if job.reference.digest is not None and job.reference.digest.algorithm != "sha256":
        raise NotSupported(
            "images are kept under their sha256 digest, no other can name one here",
            where=job.reference.familiar,
            hint="pull it by its tag, or read it where it is: docker://NAME@DIGEST",
        )
    current = _current(job)
    if current is not None:
        digest, stored = current
        came, changed = _bring(job, stored.image, job.unpacker()), False
    else:
        before = _find(job, None)
        digest, came = _fetch(job)
        stored = _stored(job)
        changed = came.blobs > 0 or before is None or before.root.digest != stored.root.digest
    job.emit(
        Transferred(
            "pulled", job.reference.familiar, digest, came.bytes, came.blobs, came.spared, came.present, 0,
            time.monotonic() - began, changed,
        )
    )  # fmt: skip
    return Pulled(job.name, digest, stored, changed)


def _stored(job: Pull) -> StoredImage:
    """What was fetched. What comes for one platform alone is taken, whichever that is (and was warned of)."""
    stored = job.store.images.resolve(job.name)
    if job.platform is None or len(job.store.images.platforms(stored)) == 1:
        return stored
    return job.store.images.at_platform(stored, job.platform)


def _current(job: Pull) -> tuple[Digest, StoredImage] | None:
    """What the store has under this name, if the registry has nothing newer and no part of it is missing. A digest
    never becomes another one, so nobody is asked for it."""
    store = job.store
    stored = _find(job, job.platform or host_platform()) if not job.all_platforms else None
    if stored is None or job.name not in stored.names or not _is_whole(store, stored):
        return None
    if job.reference.digest is not None:
        return job.reference.digest, stored
    assert job.reference.tag is not None
    head = job.repository.head_manifest(job.reference.tag)
    if head is None:
        return None
    here = (stored.root.digest, stored.descriptor.digest)
    if head.digest in here or store.origins.image(job.home, head.digest) in here:
        return head.digest, stored
    return None


def _find(job: Pull, platform: Platform | None) -> StoredImage | None:
    """What has the name now. An image that is damaged is none: it is pulled again."""
    try:
        return job.store.images.find(job.name, platform)
    except StoreDamaged:
        return None


def _is_whole(store: Store, stored: StoredImage) -> bool:
    try:
        return all(store.blobs.touch(layer) for layer in stored.image.manifest.layers)
    except (NotFound, StoreDamaged):
        return False


def _fetch(job: Pull) -> tuple[Digest, Came]:
    remote = _kept(job, find_image(job.repository, job.reference, job.platform))
    images, origins = job.store.images, job.store.origins
    image = fetch_config(job.repository, remote.manifest)
    _warn_of_platform(job, image)
    fitted = _with_own_blobs(job, remote, image)
    came = _bring(job, fitted, job.unpacker()) + _spared(image, fitted)
    if remote.many is None:
        stored = images.put(fitted.manifest.raw, fitted.config.raw, (job.name,))
        here = stored.descriptor.digest
    else:
        images.put_part(image.manifest.raw, image.config.raw)
        if job.all_platforms:
            came += _others(job, remote.many, image.manifest.digest)
        images.put_index(remote.many, (job.name,))
        here = remote.root.digest
        origins.note_image(job.home, image.manifest.digest, image.manifest.digest)
    origins.note_image(job.home, remote.root.digest, here)
    origins.note_blobs(job.home, [image.manifest.config.digest, *(layer.digest for layer in image.manifest.layers)])
    return remote.root.digest, came


def _kept(job: Pull, remote: RemoteImage) -> RemoteImage:
    """The store holds indexes of images. Of an index of indexes it gets the image alone that was asked for."""
    if remote.many is None:
        return remote
    nested = remote.manifest.digest not in {entry.digest for entry in remote.many.manifests}
    if (nested and job.reference.digest is not None) or (
        job.all_platforms and any(entry.media_type in mediatype.INDEXES for entry in remote.many.manifests)
    ):
        hint = "pull it by its tag, and for one platform"
        raise NotSupported("an index of indexes cannot be kept as it is", where=str(remote.root.digest), hint=hint)
    return remote._replace(many=None) if nested else remote


def _warn_of_platform(job: Pull, image: Image) -> None:
    wanted = job.platform or host_platform()
    if not image.config.platform.matches(wanted):
        message = f"{job.reference.familiar} is for {image.config.platform}, not for {wanted}"
        job.emit(Note("warning", message))


def _with_own_blobs(job: Pull, remote: RemoteImage, image: Image) -> Image:
    if remote.many is not None or job.reference.digest is not None:
        return image
    layers = []
    for ref in image.layers:
        found = None if job.store.blobs.touch(ref.blob) else job.store.layers.find(ref.diff_id)
        layers.append(found.blob if found is not None else ref.blob)
    manifest = image.manifest
    if tuple(layers) == manifest.layers:
        return image
    config = manifest.config._replace(media_type=mediatype.OCI_CONFIG)
    return Image(make_manifest(config, tuple(layers), manifest.annotations), image.config)


def _spared(image: Image, fitted: Image) -> Came:
    """What was not fetched because other blobs hold it; those blobs were counted as there, with their own sizes."""
    pairs = [pair for pair in zip(image.manifest.layers, fitted.manifest.layers, strict=True) if pair[0] != pair[1]]
    return Came(spared=sum(theirs.size - ours.size for theirs, ours in pairs))


def _bring(job: Pull, image: Image, snapshotter: Snapshotter | None) -> Came:
    layers = LayersIn(job.store, job.repository.open_blob, image, snapshotter=snapshotter, emit=job.emit, stop=job.stop)
    return layers.run()


def _others(job: Pull, index: Index, done: Digest) -> Came:
    """The other images of an index, and what is attested of them; those are not unpacked."""
    came = Came()
    seen = {done}
    for entry in index.manifests:
        if entry.digest in seen:
            continue
        seen.add(entry.digest)
        fetched = fetch_entry(job.repository, entry)
        manifest = parse_manifest(fetched.raw, str(fetched.digest))
        if is_image(entry):
            image = fetch_config(job.repository, manifest)
            came += _bring(job, image, None)
            job.store.images.put_part(image.manifest.raw, image.config.raw)
        else:
            check_count(manifest)
            came += _bring_blobs(job, (manifest.config, *manifest.layers))
            job.store.blobs.put(fetched.raw)
        job.store.origins.note_blobs(job.home, [manifest.config.digest, *(layer.digest for layer in manifest.layers)])
    return came


def _bring_blobs(job: Pull, blobs: tuple[Descriptor, ...]) -> Came:
    """As they are, whatever is in them."""
    came = Came()
    for blob in blobs:
        if job.store.blobs.touch(blob):
            came += Came(spared=blob.size, present=1)
            continue
        with job.repository.open_blob(blob) as stream, job.store.blobs.writer(hashing=False) as writer:
            _copy(stream, writer)
            writer.commit(blob.digest, blob.size, trusted=blob.digest)
        came += Came(bytes=blob.size, blobs=1)
    return came


def _copy(stream: BinaryIO, writer: BlobWriter) -> None:
    while data := stream.read(1 << 18):
        writer.write(data)
