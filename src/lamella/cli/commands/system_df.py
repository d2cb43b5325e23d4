"""``lamella system df``."""

from __future__ import annotations

import argparse

from lamella.cli.session import Session

SUMMARY = "what the local store holds, and what of it could go"
EXAMPLES = "lamella system df\nlamella system df --format json"
_HEADING = ("TYPE", "TOTAL", "SIZE", "RECLAIMABLE")


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--format", choices=("text", "json"), default="text", help="how it is printed")


def run(args: argparse.Namespace, session: Session) -> int:
    from lamella.cli.caches import cache_usage
    from lamella.cli.containerusage import container_usage, volume_usage
    from lamella.cli.snapshots import count_snapshots, disk_usage, enter_for_files, snapshots_folder
    from lamella.cli.text.docker import docker_table, human_size
    from lamella.store.collect import needed

    store = session.store()
    enter_for_files(store)
    sizes = {digest: store.blobs.size(digest) or 0 for digest in store.blobs}
    named, cached = needed(store).blobs, set(store.cache.blobs())
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
        "snapshots": (count_snapshots(store), disk_usage(snapshots_folder(store)), 0),
        "cache mounts": cache_usage(store),
        "containers": container_usage(store),
        "volumes": volume_usage(store),
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
