"""The folders of ``RUN --mount=type=cache``: what they take, and removing them."""

from __future__ import annotations

from typing import NamedTuple

from lamella.build.mounts.cache import cache_folders
from lamella.cli.snapshots import disk_usage
from lamella.store.store import Store


class CacheUsage(NamedTuple):
    """Sizes are disk space in bytes; ``free`` is what no step uses just now."""

    folders: int
    size: int
    free: int


class DroppedCaches(NamedTuple):
    """``size`` is the disk space that became free, in bytes."""

    folders: int
    size: int


def cache_usage(store: Store) -> CacheUsage:
    usage = cache_folders(store).usage()
    sizes = {folder: disk_usage(folder) for folder in usage.folders}
    return CacheUsage(len(sizes), sum(sizes.values()), sum(sizes[folder] for folder in usage.free))


def drop_caches(store: Store, *, all: bool) -> DroppedCaches:
    """Removes what a killed removal left, and with ``all`` every cache that no step uses."""
    folders = cache_folders(store)
    before = disk_usage(folders.root)
    count = folders.prune(all=all)
    return DroppedCaches(count, max(0, before - disk_usage(folders.root)))
