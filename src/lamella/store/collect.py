"""Garbage collection: removes what no image, and not even the build cache, needs any more.

What a living process may be using stays: everything newer than its lease. Blobs that the store never heard of may be
arriving from skopeo or umoci just now, so they stay for an hour.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection, Iterable
from typing import NamedTuple

from lamella.errors import InputError, LamellaError
from lamella.oci import mediatype
from lamella.oci.config import parse_config
from lamella.oci.descriptor import Descriptor
from lamella.oci.digest import ChainID, DiffID, Digest, chain_ids
from lamella.oci.manifest import parse_index, parse_manifest
from lamella.store.layout import normal_name
from lamella.store.lease import oldest_living, sweep
from lamella.store.mirror import BrokenImage
from lamella.store.store import Store

GRACE_NS = 3_600_000_000_000


class Freed(NamedTuple):
    """What went. ``size`` is the bytes of the blobs, as they were stored; ``in_use`` counts garbage that stays because
    a running command may need it."""

    untagged: tuple[str, ...] = ()
    images: tuple[Digest, ...] = ()  # image IDs
    blobs: tuple[Digest, ...] = ()
    size: int = 0
    cache_records: int = 0
    in_use: int = 0


class Needed(NamedTuple):
    """What index.json's entries lead to. ``layers`` are the diff IDs, ``chains`` their chain IDs."""

    blobs: set[Digest]
    layers: set[DiffID]
    chains: set[ChainID]


def needed(store: Store) -> Needed:
    """Walks every entry of index.json, all platforms. What a damaged blob would have led to is not known."""
    found = Needed(set(), set(), set())
    for entry in store.images.entries():
        _walk(store, entry.descriptor, found, 0)
    return found


def remove_image(store: Store, text: str, *, force: bool = False) -> Freed:
    """``docker rmi``: takes the name away; the last name takes the image with it. An ID prefix means the image itself,
    and more than one name on it asks for ``force``. Raises NotFound, InputError."""
    with store.removing():
        broken = [each for each in store.images.broken() if each.name == normal_name(text) or each.digest == text]
        if broken:
            return _remove_broken(store, broken[0])
        image = store.images.resolve(text)
        by_name = normal_name(text) in image.names
        if not by_name and len(image.names) > 1 and not force:
            raise InputError(
                f"the image {image.image_id.short} has {len(image.names)} names: {', '.join(image.names)}",
                hint="remove each of its names, or use --force to remove them all",
                code="conflict",
            )
        names = (normal_name(text),) if by_name else image.names
        candidates = _blobs_of(store, image.root)
        for name in names:
            store.images.untag(name)
        if by_name and len(image.names) > 1:
            return Freed(untagged=names)
        store.images.forget(image.root.digest)
        return _collect(store, candidates)._replace(untagged=names, images=(image.image_id,))


def _remove_broken(store: Store, broken: BrokenImage) -> Freed:
    candidates = _blobs_of(store, broken.descriptor)
    store.images.forget(broken.digest)
    return _collect(store, candidates)._replace(untagged=(broken.name,) if broken.name else ())


def prune(
    store: Store,
    *,
    all: bool = False,
    build_cache: bool = False,
    keep: Collection[Digest] = (),
    grace: int = GRACE_NS,
) -> Freed:
    """Removes unnamed images (``all``: named ones too) but those whose image ID is in ``keep``; with ``build_cache``
    the cache's records; then every blob and table of contents that nothing needs. ``grace`` (ns) is for blobs that the
    store never heard of."""
    with store.removing():
        known = _known(store)
        going = [image for image in store.images.list() if (all or not image.names) and image.image_id not in keep]
        for image in going:
            store.images.forget(image.root.digest)
        records = store.cache.clear() if build_cache else store.cache.drop_missing()
        threshold = time.time_ns() - grace
        freed = _collect(store, list(store.blobs), lambda digest: None if digest in known else threshold)
        sweep(store.lease.folder, f"{store.root}/lamella/tmp")
        store.partials.sweep(threshold)
        store.origins.forget_images(digest for digest in store.origins.images() if not store.blobs.has(digest))
    names = tuple(name for image in going for name in image.names)
    return freed._replace(
        untagged=names, images=tuple(dict.fromkeys(image.image_id for image in going)), cache_records=records
    )


def discard(store: Store, digests: Iterable[Digest]) -> Freed:
    """Removes those of ``digests`` that nothing needs: what a failed load leaves."""
    wanted = list(digests)
    if not wanted:
        return Freed()
    try:
        with store.removing():
            return _collect(store, wanted)
    except LamellaError:
        return Freed()  # the next prune sees to it


def _always(digest: Digest) -> None:
    return None


def _collect(store: Store, candidates: Iterable[Digest], not_after: Callable[[Digest], int | None] = _always) -> Freed:
    """Removes what of ``candidates`` is unneeded and older than ``not_after`` says (ns since the epoch)."""
    keep = needed(store)
    cached = store.cache.blobs()
    lease = oldest_living(store.lease.folder, but=store.lease.name)
    removed: list[Digest] = []
    size = in_use = 0
    for digest in candidates:
        if digest in keep.blobs or digest in cached:
            continue
        limits = [limit for limit in (lease, not_after(digest)) if limit is not None]
        freed = _remove_older(store, digest, min(limits, default=None))
        if freed is None:
            in_use += 1
        elif freed >= 0:
            removed.append(digest)
            size += freed
    _forget_layers(store, keep.layers, lease)
    return Freed(blobs=tuple(removed), size=size, in_use=in_use)


def _remove_older(store: Store, digest: Digest, limit: int | None) -> int | None:
    """Bytes freed; -1 where there was nothing, None where the blob is newer than ``limit``.

    The blob is first renamed away and looked at again, so one that is put anew meanwhile is not lost."""
    path = store.blobs.path_of(digest)
    try:
        if limit is not None and os.stat(path).st_mtime_ns >= limit:
            return None
        aside = store.temporary_path(".gone")
        os.rename(path, aside)
        stat = os.stat(aside)
        if limit is not None and stat.st_mtime_ns >= limit:
            os.rename(aside, path)
            return None
        os.unlink(aside)
        return stat.st_size
    except FileNotFoundError:
        return -1


def _forget_layers(store: Store, keep: set[DiffID], lease: int | None) -> None:
    wanted = keep | store.cache.diff_ids()
    for diff_id in store.layers.indexed():
        if diff_id in wanted:
            continue
        try:
            recent = lease is not None and os.stat(store.layers.toc_path(diff_id)).st_mtime_ns >= lease
        except OSError:
            recent = False
        if not recent:
            store.layers.forget(diff_id)


def _walk(store: Store, descriptor: Descriptor, found: Needed, depth: int) -> None:
    found.blobs.add(descriptor.digest)
    where = str(descriptor.digest)
    try:
        if descriptor.media_type in mediatype.INDEXES and depth < 4:
            for child in parse_index(store.blobs.read_blob(descriptor), where).manifests:
                _walk(store, child, found, depth + 1)
        elif descriptor.media_type in mediatype.MANIFESTS:
            manifest = parse_manifest(store.blobs.read_blob(descriptor), where)
            found.blobs.update((manifest.config.digest, *(layer.digest for layer in manifest.layers)))
            config = parse_config(store.blobs.read_blob(manifest.config), where)
            found.layers.update(config.diff_ids)
            found.chains.update(chain_ids(config.diff_ids))
    except LamellaError:
        pass


def _blobs_of(store: Store, root: Descriptor) -> list[Digest]:
    found = Needed(set(), set(), set())
    _walk(store, root, found, 0)
    return sorted(found.blobs)


def _known(store: Store) -> set[Digest]:
    """Blobs that images, the build cache or the table of layers name: they came by this program, or were seen."""
    found = needed(store).blobs | set(store.cache.blobs())
    return found | store.layers.blobs()
