"""From the store, or wherever an image lies, into a registry: what it lacks, and the manifest last, byte for byte.

A blob is looked for first, then mounted from a repository of the same registry that is known to have it, then sent.
Layers that change their compression get a new manifest; diff IDs, and so the image ID, stay. Which digest came of it is
remembered: the second push finds it there and compresses nothing.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from lamella.errors import Interrupted, NotFound, NotSupported
from lamella.events import BlobMoved, Emit, Note, Transferred, ignore
from lamella.oci import mediatype
from lamella.oci.descriptor import Descriptor
from lamella.oci.digest import Digest
from lamella.oci.image import BlobSource, Image, LayerRef
from lamella.oci.manifest import Index, Manifest, make_index, make_manifest, parse_manifest
from lamella.oci.reference import Reference
from lamella.registry.recompress import Compression, open_file, recompress
from lamella.registry.together import run_together
from lamella.store.disk import remove_quietly
from lamella.store.store import Store

if TYPE_CHECKING:
    from lamella.registry.client import Repository

#: blobs that are looked for and sent at the same time
PARALLEL = 4
_CANDIDATES = 3  # repositories to mount from
#: layers that are compressed at the same time; high levels of zstd take 100 MB and more each
_COMPRESSING = 2
_GREEDY_LEVEL = 10


class Push(NamedTuple):
    """One push's tools. ``blobs`` is where the image lies, ``origin`` the repository (with its registry) that it is
    read from, if it is one. ``reference`` has a tag. ``stop`` ends it from outside; it is set on the first error."""

    repository: Repository
    reference: Reference
    store: Store
    blobs: BlobSource
    stop: threading.Event
    compression: Compression = Compression()
    origin: str | None = None
    emit: Emit = ignore

    @property
    def home(self) -> str:
        return f"{self.reference.domain}/{self.reference.repository}"


class Pushed(NamedTuple):
    """The manifest or index as the registry has it now."""

    digest: Digest
    size: int


class Sent(NamedTuple):
    bytes: int = 0
    blobs: int = 0
    spared: int = 0
    present: int = 0
    mounted: int = 0


def push_image(job: Push, image: Image) -> Pushed:
    """Raises RegistryError, NotFound, ImageInvalid, StoreDamaged, MachineError, Interrupted. The tag changes only when
    all is there."""
    began = time.monotonic()
    sending = _Sending(job)
    manifest = sending.send(image)
    changed = _put_tag(job, manifest.raw, manifest.media_type)
    if job.blobs is job.store.blobs:
        job.store.origins.note_image(job.home, manifest.digest, image.manifest.digest)
    _tell(job, manifest.digest, sending.sent, began, changed)
    return Pushed(manifest.digest, len(manifest.raw))


def push_index(job: Push, index: Index) -> Pushed:
    """A multi-platform image of the store, with all its platforms that are there. Where the registry has the others,
    the index is pushed as it is, else one of those that are there, which is said. Raises as ``push_image``."""
    began = time.monotonic()
    sending = _Sending(job)
    there: list[Descriptor] = []
    for entry in index.manifests:
        if job.store.blobs.has(entry.digest):
            there.append(_put_part(job, sending, entry))
        elif job.repository.head_manifest(entry.digest) is not None:
            there.append(entry)
    pushed = index
    if tuple(there) != index.manifests:
        pushed = make_index(tuple(there))
        if len(there) < len(index.manifests):
            are, these = ("is", "this one") if len(there) == 1 else ("are", "these")
            many = f"{len(there)} of {len(index.manifests)} platforms"
            message = f"{many} {are} here: the index that is pushed names {these} only"
            job.emit(Note("warning", message, str(index.digest)))
    changed = _put_tag(job, pushed.raw, pushed.media_type)
    job.store.origins.note_image(job.home, pushed.digest, index.digest)
    _tell(job, pushed.digest, sending.sent, began, changed)
    return Pushed(pushed.digest, len(pushed.raw))


def _put_part(job: Push, sending: _Sending, entry: Descriptor) -> Descriptor:
    """One image of an index, by its digest."""
    from lamella.oci.config import parse_config

    manifest = parse_manifest(job.blobs.read_blob(entry), str(entry.digest))
    if all(mediatype.compression_of(layer.media_type) for layer in manifest.layers):
        config = parse_config(job.blobs.read_blob(manifest.config), str(manifest.config.digest))
        manifest = sending.send(Image(manifest, config))
    else:  # what is attested of an image
        sending.send_as_they_are((manifest.config, *manifest.layers))
    if job.repository.head_manifest(manifest.digest) is None:
        job.repository.put_manifest(manifest.digest, manifest.raw, manifest.media_type)
    if manifest.digest == entry.digest:
        return entry
    return entry._replace(media_type=manifest.media_type, digest=manifest.digest, size=len(manifest.raw))


def _put_tag(job: Push, raw: bytes, media_type: str) -> bool:
    """Whether it was another one, or none, before."""
    assert job.reference.tag is not None
    head = job.repository.head_manifest(job.reference.tag)
    if head is not None and head.digest == Digest.of(raw):
        return False
    job.repository.put_manifest(job.reference.tag, raw, media_type)
    return True


def _tell(job: Push, digest: Digest, sent: Sent, began: float, changed: bool) -> None:
    job.emit(Transferred("pushed", job.reference.familiar, digest, *sent, time.monotonic() - began, changed))


class _Sending:
    """Blobs into one repository, each once."""

    def __init__(self, job: Push) -> None:
        self._job = job
        self._guard = threading.Lock()
        self._through: set[Digest] = set()
        greedy = (job.compression.level or 0) >= _GREEDY_LEVEL
        self._compressing = threading.Semaphore(1 if greedy else _COMPRESSING)
        self.sent = Sent()

    def send(self, image: Image) -> Manifest:
        """Layers and config; returns the manifest that fits what was sent."""
        job = self._job
        for layer in image.manifest.layers:
            _check(layer, image.manifest)
            job.emit(BlobMoved(layer.digest, "waiting", 0, layer.size))
        refs = list(dict.fromkeys(image.layers))
        as_sent: dict[LayerRef, Descriptor] = {}

        def send_layer(ref: LayerRef) -> None:
            as_sent[ref] = self._send_layer(ref)

        jobs: list[Callable[[], None]] = [lambda ref=ref: send_layer(ref) for ref in refs]  # type: ignore[misc]
        jobs.append(lambda: self._send(image.manifest.config, lambda: job.blobs.open_blob(image.manifest.config)))
        run_together(jobs, PARALLEL, job.stop)
        layers = tuple(as_sent[ref] for ref in image.layers)
        if layers == image.manifest.layers:
            return image.manifest
        config = image.manifest.config._replace(media_type=mediatype.OCI_CONFIG)
        return make_manifest(config, tuple(map(_in_oci_words, layers)), image.manifest.annotations)

    def send_as_they_are(self, blobs: tuple[Descriptor, ...]) -> None:
        for blob in blobs:
            self._send(blob, lambda blob=blob: self._job.blobs.open_blob(blob))  # type: ignore[misc]

    def _send_layer(self, ref: LayerRef) -> Descriptor:
        job = self._job
        method = job.compression.of(ref.blob)
        if method is None:
            self._send(ref.blob, lambda: job.blobs.open_blob(ref.blob))
            return ref.blob
        known = job.store.origins.recompressed(ref.diff_id, method)
        if known is not None and self._is_there(known, ref.blob.digest):
            return known
        path = job.store.temporary_path(".recompressed")
        size = job.store.layers.size(ref.diff_id)
        total = size.tar if size is not None else 0

        def told(done: int) -> None:
            job.emit(BlobMoved(ref.blob.digest, "compressing", done, max(done, total)))

        try:
            with self._compressing:
                made = recompress(job.blobs, ref, method, path, told=told, cancelled=job.stop.is_set)
            job.store.origins.note_recompressed(ref.diff_id, method, made)
            self._send(made, lambda: open_file(path), ref.blob.digest)
        finally:
            remove_quietly(path)
        return made

    def _send(self, blob: Descriptor, open_stream: Callable[[], BinaryIO], shown: Digest | None = None) -> None:
        """``shown`` is what progress calls it."""
        name = shown or blob.digest
        if self._is_there(blob, name):
            return

        def progress(done: int) -> None:
            if self._job.stop.is_set():
                raise Interrupted("the transfer was cancelled")
            self._job.emit(BlobMoved(name, "uploading", done, blob.size))

        self._job.repository.put_blob(blob, open_stream, progress)
        self._over(blob, name, "done", Sent(bytes=blob.size, blobs=1))

    def _is_there(self, blob: Descriptor, name: Digest) -> bool:
        """Now, if another repository had it."""
        if blob.digest in self._through:
            return True
        repository, origins = self._job.repository, self._job.store.origins
        if repository.has_blob(blob):
            self._over(blob, name, "present", Sent(spared=blob.size, present=1))
            return True
        for home in self._candidates(blob.digest):
            if repository.mount_blob(blob, home.partition("/")[2]):
                self._over(blob, name, "mounted", Sent(spared=blob.size, mounted=1))
                return True
            origins.forget_home(blob.digest, home)
        return False

    def _candidates(self, digest: Digest) -> list[str]:
        """Repositories of this registry that may have the blob."""
        job = self._job
        found = job.store.origins.homes(digest, job.reference.domain)
        if job.origin is not None and job.origin.partition("/")[0] == job.reference.domain:
            found.insert(0, job.origin)
        return [home for home in dict.fromkeys(found) if home != job.home][:_CANDIDATES]

    def _over(self, blob: Descriptor, name: Digest, state: str, sent: Sent) -> None:
        with self._guard:
            self._through.add(blob.digest)
            self.sent = Sent(*(a + b for a, b in zip(self.sent, sent, strict=True)))
        self._job.store.origins.note_blobs(self._job.home, (blob.digest,))
        self._job.emit(BlobMoved(name, state, blob.size, blob.size))


def _check(layer: Descriptor, manifest: Manifest) -> None:
    if mediatype.compression_of(layer.media_type) is None:
        raise NotSupported(
            f"the layer {layer.digest.short} is of the kind {layer.media_type!r}, which is not pushed",
            where=str(manifest.digest),
        )


def _in_oci_words(layer: Descriptor) -> Descriptor:
    compression = mediatype.compression_of(layer.media_type)
    assert compression is not None
    return layer._replace(media_type=mediatype.layer_media_type(compression))


def index_of(store: Store, root: Descriptor) -> Index | None:
    """The index that an entry of the store is; None for a single image. Raises NotFound, StoreDamaged."""
    from lamella.oci.manifest import parse_index

    if root.media_type not in mediatype.INDEXES:
        return None
    try:
        return parse_index(store.blobs.read_blob(root), str(root.digest))
    except NotFound:
        return None
