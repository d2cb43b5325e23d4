"""Images and their names: ``index.json``, asked and changed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from lamella.errors import ImageInvalid, LamellaError, NotFound, ReferenceError_
from lamella.oci.config import parse_config
from lamella.oci.descriptor import REF_NAME, Descriptor, descriptor_from_json
from lamella.oci.digest import DiffID, Digest
from lamella.oci.image import Image
from lamella.oci.manifest import Index, is_image, parse_manifest
from lamella.oci.platform import Platform, best_match
from lamella.oci.reference import parse_reference
from lamella.store.blobs import SMALL, BlobStore
from lamella.store.instant import parse_instant
from lamella.store.layers import LayerStore
from lamella.store.layout import IndexEntry, Layout, new_entry, normal_name, renamed
from lamella.store.lease import Lease
from lamella.store.lock import StoreLock
from lamella.store.mirror import BrokenImage, Mirror, StoredImage, check_layer_count
from lamella.store.origins import Origins
from lamella.store.resolve import not_found, resolve_image

_Images = list[StoredImage]
_Broken = list[BrokenImage]
_Entries = list[IndexEntry]


class ImageTable:
    """Names → images. Every question first looks whether index.json changed."""

    def __init__(
        self,
        layout: Layout,
        mirror: Mirror,
        blobs: BlobStore,
        layers: LayerStore,
        *,
        lock: StoreLock,
        lease: Lease,
        origins: Origins,
    ) -> None:
        self._layout = layout
        self._mirror = mirror
        self._blobs = blobs
        self._layers = layers
        self._lock = lock
        self._lease = lease
        #: digests that images have in repositories
        self.origins = origins

    def put(self, manifest_bytes: bytes, config_bytes: bytes, names: Iterable[str] = ()) -> StoredImage:
        """Stores an image whose layers are there already and gives it ``names`` (taken from whoever had them).

        Everything is on the disk before a name says so. Raises ImageInvalid, and NotFound for a missing layer."""
        wanted = _wanted(names, Digest.of(manifest_bytes))
        descriptor = self._put_blobs(manifest_bytes, config_bytes)
        self._name(descriptor, wanted)
        return self.get(descriptor.digest)

    def put_part(self, manifest_bytes: bytes, config_bytes: bytes) -> Descriptor:
        """Stores an image of an index that is still to come (``put_index``): until then nothing leads to it."""
        return self._put_blobs(manifest_bytes, config_bytes)

    def _put_blobs(self, manifest_bytes: bytes, config_bytes: bytes) -> Descriptor:
        manifest = parse_manifest(manifest_bytes, "manifest")
        config = parse_config(config_bytes, str(manifest.config.digest))
        self._check(Image(manifest, config), config_bytes)
        self._blobs.put(config_bytes)
        self._blobs.put(manifest_bytes)
        return manifest.descriptor._replace(platform=config.platform)

    def put_index(self, index: Index, names: Iterable[str] = ()) -> None:
        """Stores a multi-platform image, and gives it ``names`` as ``put`` does. Its manifests are there already, with
        all that they name, or some of them: platforms that were not fetched. Raises NotFound where none is there, or
        something that one names is not."""
        wanted = _wanted(names, index.digest)
        there = [manifest for manifest in index.manifests if self._blobs.has(manifest.digest)]
        lying = next((manifest for manifest in there if not self._blobs.holds(manifest)), None)
        if lying is not None:
            message = f"the index says that the manifest {lying.digest} has {lying.size} bytes, and it has not"
            raise ImageInvalid(message, where=str(index.digest))
        if not there:
            raise NotFound("none of the images of the index is in the store", where=str(index.digest))
        for manifest in there:
            parsed = parse_manifest(self._blobs.read_blob(manifest), str(manifest.digest))
            for blob in (parsed.config, *parsed.layers):
                if not self._blobs.holds(blob):
                    raise NotFound("a blob of the image is not in the store", where=str(blob.digest))
            if is_image(manifest):
                self._mirror.load(manifest)
        self._blobs.put(index.raw)
        self._name(index.descriptor, wanted)
        self._mirror.doubt(index.digest)

    def tag(self, name: str, image: StoredImage) -> None:
        """Gives ``image`` (with all its platforms) one more name."""
        self._name(image.root, (storable_name(name),))

    def untag(self, name: str) -> Digest:
        """Takes a name away; returns what it named. An image without names stays, unnamed, until it is removed.
        Raises NotFound."""
        wanted = normal_name(name)
        with self._lock.hold():
            entries = list(self._layout.read().entries)
            gone = [entry for entry in entries if entry.name == wanted]
            if not gone:
                raise not_found(self, name)
            left = [renamed(entry, None) if entry.name == wanted else entry for entry in entries]
            self._write(entries, _tidy(left))
        return gone[0].descriptor.digest

    def forget(self, digest: Digest) -> None:
        """Drops every entry of index.json that points at ``digest``, named or not. The blobs stay."""
        with self._lock.hold():
            entries = list(self._layout.read().entries)
            self._write(entries, [entry for entry in entries if entry.descriptor.digest != digest])

    def get(self, digest: Digest) -> StoredImage:
        """The image with this manifest digest. Raises NotFound."""
        found = self._mirror.select("image.digest = ?", (digest,))
        if not found:
            raise NotFound("the store has no image with this manifest", where=str(digest))
        return found[0]

    def resolve(self, text: str, platform: Platform | None = None) -> StoredImage:
        """What a user's ``name``, ``name:tag``, ``name@digest``, ID prefix or digest means.

        ``platform`` picks from a multi-platform image (default: this machine's). Raises NotFound with the nearest
        names, InputError for an ambiguous ID prefix, StoreDamaged when the image is there and cannot be read."""
        return resolve_image(self, text, platform)

    def find(self, text: str, platform: Platform | None = None) -> StoredImage | None:
        """Like ``resolve``; None instead of NotFound."""
        try:
            return self.resolve(text, platform)
        except (NotFound, ReferenceError_):
            return None

    def entries(self) -> tuple[IndexEntry, ...]:
        """index.json as it stands."""
        return self._layout.read().entries

    def named(self, name: str) -> StoredImage | None:
        """The image of exactly this (normal) name."""
        found = self._mirror.select("root.name = ?", (name,))
        return found[0] if found else None

    def with_id_prefix(self, prefix: str) -> _Images:
        """Images whose ID (the config's digest) begins with these hex digits; one of each ID, a named one first."""
        found = self._mirror.select("image.config GLOB ?", (f"sha256:{prefix}*",))
        found.sort(key=lambda image: not image.names)
        return list({image.image_id: image for image in reversed(found)}.values())

    def at_platform(self, image: StoredImage, platform: Platform) -> StoredImage:
        """The image of the same multi-platform index that serves ``platform`` best. Raises NotFound, with what there
        is."""
        if image.platform == platform:
            return image
        there = self._there(image)
        found = best_match(there, platform)
        if found is None:
            name = (image.names or (image.image_id.short,))[0]
            raise NotFound(f"the store has {name} for {', '.join(map(str, there))}, not for {platform}")
        return self._at(image, *there[found])

    def platforms(self, image: StoredImage) -> tuple[Platform, ...]:
        """Those for which the store has the image."""
        return tuple(self._there(image))

    def lacks(self, image: StoredImage, platform: Platform) -> bool:
        """Whether the index of ``image`` names a better one for ``platform`` than those that are here."""
        offered = self._mirror.manifests(image.root)
        best = best_match([entry.platform for entry in offered if entry.platform is not None], platform)
        return any(entry.platform == best and not self._blobs.has(entry.digest) for entry in offered if best)

    def _there(self, image: StoredImage) -> dict[Platform, tuple[Descriptor, Image]]:
        found: dict[Platform, tuple[Descriptor, Image]] = {}
        for manifest in self._mirror.manifests(image.root):
            try:
                one = self._mirror.load(manifest)
            except NotFound:  # a platform that was never fetched
                continue
            found.setdefault(one.config.platform, (manifest, one))
        return found

    def measure(self, image: StoredImage) -> StoredImage:
        """The same image with ``size`` known; layers that came from elsewhere are indexed (once) for it."""
        if image.size is not None:
            return image
        for ref in image.image.layers:
            self._layers.ensure_toc(ref)
        return image._replace(size=self._shown(image.diff_ids))

    def _shown(self, diff_ids: Iterable[DiffID]) -> int | None:
        total = 0
        for diff_id in diff_ids:
            size = self._layers.size(diff_id)
            if size is None:
                return None
            total += size.shown
        return total

    def _check(self, image: Image, config_bytes: bytes) -> None:
        manifest = image.manifest
        if manifest.config.digest != Digest.of(config_bytes) or manifest.config.size != len(config_bytes):
            raise ImageInvalid("the manifest names another config than the one given", where=str(manifest.digest))
        check_layer_count(image)
        for layer in manifest.layers:
            if not self._blobs.holds(layer):
                raise NotFound("a layer of the image is not in the store", where=str(layer.digest))

    def _name(self, descriptor: Descriptor, names: Sequence[str]) -> None:
        with self._lock.hold():
            self._blobs.sync()
            entries = list(self._layout.read().entries)
            same = [entry for entry in entries if entry.descriptor.digest == descriptor.digest]
            missing = [name for name in names if name not in {entry.name for entry in same}]
            left = [renamed(entry, None) if entry.name in missing else entry for entry in entries]
            if same:  # what others wrote into an entry of the same image is kept
                left += [renamed(same[0], name) for name in missing]
            else:
                left += [new_entry(descriptor, name) for name in names or (None,)]
            self._write(entries, _tidy(left))

    def _write(self, old: _Entries, new: _Entries) -> None:
        if [entry.data for entry in old] != [entry.data for entry in new]:
            self._layout.write(new, self._lease.temporary_path(".index"))

    def _at(self, image: StoredImage, manifest: Descriptor, other: Image) -> StoredImage:
        config = other.config
        return image._replace(
            descriptor=manifest,
            image_id=other.manifest.config.digest,
            platform=config.platform,
            created=parse_instant(config.created),
            size=self._shown(config.diff_ids),
            diff_ids=config.diff_ids,
        )

    def restore(self) -> int:
        """Writes index.json anew: from the mirror, and where that is lost too, the manifests among the blobs, unnamed.
        Returns the number of entries."""
        with self._lock.hold():
            found = [descriptor_from_json(data, "the mirror") for data in self._mirror.remembered()]
            entries = [new_entry(each, each.annotation(REF_NAME)) for each in found] or self._loose_manifests()
            self._layout.write(entries, self._lease.temporary_path(".index"))
        return len(entries)

    def _loose_manifests(self) -> _Entries:
        entries = []
        for digest in self._blobs:
            size = self._blobs.size(digest) or 0
            if 0 < size <= SMALL:
                try:
                    manifest = parse_manifest(self._blobs.read_blob(Descriptor("", digest, size)), str(digest))
                except LamellaError:
                    continue
                entries.append(new_entry(manifest.descriptor, None))
        return entries

    def broken(self) -> _Broken:
        """Entries of index.json that cannot be read, with the reason."""
        return self._mirror.broken()

    def list(self) -> _Images:
        """All images, the newest first. Entries that cannot be read are in ``broken``."""
        return self._mirror.select()


def storable_name(text: str) -> str:
    """The normal form of a name to give. Raises ReferenceError_ for what is no name with a tag."""
    reference = parse_reference(text)
    if reference.tag is None or reference.digest is not None:
        raise ReferenceError_(f"{text!r} names a digest; a name to give ends in a tag", hint="write NAME or NAME:TAG")
    return reference.familiar


def _wanted(names: Iterable[str], digest: Digest) -> tuple[str, ...]:
    """Names to give to what has ``digest``; ``NAME@DIGEST`` names it too. Raises ReferenceError_."""
    return tuple(dict.fromkeys(_pinned(name, digest) or storable_name(name) for name in names))


def _pinned(text: str, digest: Digest) -> str | None:
    reference = parse_reference(text)
    pinned = reference.tag is None and reference.digest == digest
    return reference.familiar if pinned else None


def _tidy(entries: Iterable[IndexEntry]) -> list[IndexEntry]:
    """Each name once (the first stands), and no unnamed entry of a digest that has another entry."""
    entries = list(entries)
    kept: list[IndexEntry] = []
    names: set[str] = set()
    named = {entry.descriptor.digest for entry in entries if entry.name is not None}
    unnamed: set[Digest] = set()
    for entry in entries:
        digest = entry.descriptor.digest
        if entry.name is None:
            if digest in named or digest in unnamed:
                continue
            unnamed.add(digest)
        elif entry.name in names:
            continue
        else:
            names.add(entry.name)
        kept.append(entry)
    return kept
