"""``lamella system df``."""

from __future__ import annotations

import argparse
import os

from lamella.cli.session import Session

SUMMARY = "what the local store holds, and what of it could go"
EXAMPLES = "lamella system df\nlamella system df --format json"
_HEADING = ("TYPE", "TOTAL", "SIZE", "RECLAIMABLE")


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--format", choices=("text", "json"), default="text", help="how it is printed")


def run(args: argparse.Namespace, session: Session) -> int:
    from lamella.cli.progress import human_size
    from lamella.cli.snapshots import disk_usage
    from lamella.cli.text.docker import docker_table
    from lamella.store.collect import needed

    store = session.store()
    sizes = {digest: store.blobs.size(digest) or 0 for digest in store.blobs}
    named, cached = needed(store).blobs, set(store.cache.blobs())
    snapshots = f"{store.root}/lamella/snapshots"
    rows = {
        "images": (len(store.images.list()), sum(sizes[digest] for digest in sizes.keys() & named), 0),
        "build cache": (
            store.cache.stats().records,
            sum(sizes[digest] for digest in sizes.keys() & cached),
            sum(sizes[digest] for digest in sizes.keys() & (cached - named)),
        ),
        "loose blobs": (
            len(sizes.keys() - named - cached),
            *[sum(sizes[digest] for digest in sizes.keys() - named - cached)] * 2,
        ),
        "snapshots": (_count(f"{snapshots}/chains"), disk_usage(snapshots), 0),
    }
    if args.format == "json":
        keys = ("total", "size", "reclaimable")
        session.json({"schema": 1, **{name: dict(zip(keys, row, strict=True)) for name, row in rows.items()}})
        return 0
    cells: list[tuple[str, ...]] = [_HEADING]
    cells += [(name, str(total), human_size(size), human_size(free)) for name, (total, size, free) in rows.items()]
    for line in docker_table(cells):
        session.out(line)
    return 0


def _count(folder: str) -> int:
    try:
        return len(os.listdir(folder))
    except OSError:
        return 0
