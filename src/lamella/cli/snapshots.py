"""Snapshots that no image and no cached step stands on any more."""

from __future__ import annotations

import os
from typing import NamedTuple

from lamella.oci.digest import ChainID
from lamella.store.store import Store


class Dropped(NamedTuple):
    """``size`` is the disk space that became free, in bytes."""

    snapshots: int
    size: int


def drop_snapshots(store: Store) -> Dropped:
    """Removes them; those that running commands hold stay. Does nothing where snapshots were never made, or may not
    be removed by this user."""
    from lamella.store.collect import needed

    folder = f"{store.root}/lamella/snapshots"
    try:
        present = {ChainID(f"sha256:{name}") for name in os.listdir(f"{folder}/chains")}
    except OSError:
        return Dropped(0, 0)
    unneeded = present - needed(store).chains - store.cache.chains()
    if not unneeded or not os.access(folder, os.W_OK):
        return Dropped(0, 0)
    from lamella.snapshot.select import open_snapshotter

    before = disk_usage(folder)
    snapshotter = open_snapshotter(folder)
    for chain in sorted(unneeded):
        snapshotter.remove(chain)
    return Dropped(len(unneeded), max(0, before - disk_usage(folder)))


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
