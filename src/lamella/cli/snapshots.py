"""Snapshots that no image and no cached step stands on any more."""

from __future__ import annotations

import os
from typing import NamedTuple

from lamella.oci.digest import ChainID
from lamella.store.store import Store

_BACKENDS = ("overlay", "copy")
#: of root, of a user with subordinate ids, with one id, and without a namespace (see snapshot.select)
_KINDS = ("", "-user", "-single", "-plain")
_FOLDERS = tuple(backend + kind for kind in _KINDS for backend in _BACKENDS)


class Dropped(NamedTuple):
    """``size`` is the disk space that became free, in bytes."""

    snapshots: int
    size: int


def drop_snapshots(store: Store) -> Dropped:
    """Removes them; those that running commands hold stay. Does nothing where snapshots were never made, or may not
    be removed by this user."""
    folder = snapshots_folder(store)
    doomed = {name: chains for name in _FOLDERS if (chains := _present(folder, name))}
    if not doomed:
        return Dropped(0, 0)
    from lamella.store.collect import needed

    wanted = needed(store).chains | store.cache.chains()
    before, count = disk_usage(folder), 0
    for name, chains in doomed.items():
        count += _remove(folder, name, chains - wanted)
    return Dropped(count, max(0, before - disk_usage(folder)))


def enter_for_files(store: Store) -> None:
    """Where files in the store belong to subordinate ids of the user, only a user namespace has the right to read and
    remove them. Before any thread starts."""
    if os.geteuid() != 0 and os.path.exists(f"{snapshots_folder(store)}/ids"):
        from lamella.userns import enter

        enter()


def snapshots_folder(store: Store) -> str:
    return f"{store.root}/lamella/snapshots"


def count_snapshots(store: Store) -> int:
    return sum(len(_present(snapshots_folder(store), name)) for name in _FOLDERS)


def _present(folder: str, name: str) -> set[ChainID]:
    try:
        return {ChainID(f"sha256:{chain}") for chain in os.listdir(f"{folder}/{name}/chains")}
    except OSError:
        return set()


def _remove(folder: str, name: str, chains: set[ChainID]) -> int:
    from lamella.errors import LamellaError
    from lamella.snapshot.select import open_for_removal

    if not chains or not os.access(folder, os.W_OK):
        return 0
    try:
        snapshotter = open_for_removal(folder, name)
    except LamellaError:  # it belongs to another user
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
