"""What containers and volumes take on the disk, beside the snapshots that they stand on."""

from __future__ import annotations

import os

from lamella.cli.snapshots import disk_usage
from lamella.container.table import Table
from lamella.store.store import Store


def container_usage(store: Store) -> tuple[int, int, int]:
    """How many there are, the bytes of their logs and what else is kept of them, and how many of these bytes are of
    containers that have ended."""
    sizes = [(disk_usage(folder.path), folder.watched()) for folder in Table(store.root).folders()]
    return len(sizes), sum(size for size, _ in sizes), sum(size for size, running in sizes if not running)


def volume_usage(store: Store) -> tuple[int, int, int]:
    """The same of volumes. Nothing tells which of them nobody wants any more."""
    folder = f"{store.root}/lamella/volumes"
    try:
        names = [name for name in os.listdir(folder) if not name.startswith(".")]
    except OSError:
        names = []
    return len(names), disk_usage(folder) if names else 0, 0
