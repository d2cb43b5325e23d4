"""Snapshots that no image and no cached step stands on any more."""

from __future__ import annotations

import os
from typing import NamedTuple

from lamella.oci.digest import ChainID
from lamella.store.store import Store

BACKENDS = ("overlay", "copy")


class Dropped(NamedTuple):
    """``size`` is the disk space that became free, in bytes."""

    snapshots: int
    size: int


def drop_snapshots(store: Store) -> Dropped:
    """Removes them; those that running commands hold stay. Does nothing where snapshots were never made, or may not
    be removed by this user."""
    folder = snapshots_folder(store)
    doomed = {backend: chains for backend in BACKENDS if (chains := _present(folder, backend))}
    if not doomed:
        return Dropped(0, 0)
    from lamella.store.collect import needed

    wanted = needed(store).chains | store.cache.chains()
    before, count = disk_usage(folder), 0
    for backend, chains in doomed.items():
        count += _remove(folder, backend, chains - wanted)
    return Dropped(count, max(0, before - disk_usage(folder)))


def snapshots_folder(store: Store) -> str:
    return f"{store.root}/lamella/snapshots"


def count_snapshots(store: Store) -> int:
    return sum(len(_present(snapshots_folder(store), backend)) for backend in BACKENDS)


def _present(folder: str, backend: str) -> set[ChainID]:
    try:
        return {ChainID(f"sha256:{name}") for name in os.listdir(f"{folder}/{backend}/chains")}
    except OSError:
        return set()


def _remove(folder: str, backend: str, chains: set[ChainID]) -> int:
    from lamella.errors import LamellaError
    from lamella.snapshot.select import open_snapshotter

    if not chains or not os.access(folder, os.W_OK):
        return 0
    try:
        snapshotter = open_snapshotter(folder, backend)
    except LamellaError:  # a backend that once worked here, or for another user
        return 0
    try:
        for chain in sorted(chains):
            snapshotter.remove(chain)
    finally:
        snapshotter.close()
    return len(chains)


def disk_usage(folder: str) -> int:
    """Bytes that the files below ``folder`` take on the disk, hard links counted once."""
    total, seen, folders = 0, set(), [folder]
    while folders:
        try:
            with os.scandir(folders.pop()) as entries:
                for entry in entries:
                    stat = entry.stat(follow_symlinks=False)
                    if stat.st_nlink > 1 and (stat.st_dev, stat.st_ino) in seen:
                        continue
                    seen.add((stat.st_dev, stat.st_ino))
                    total += stat.st_blocks * 512
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(entry.path)
        except OSError:
            continue
    return total
