"""``lamella image prune``."""

from __future__ import annotations

import argparse
import sys

from lamella.cli.session import Session

SUMMARY = "remove what nothing needs: unnamed images, loose blobs, dead snapshots"
EXAMPLES = """lamella image prune
lamella image prune --build-cache
lamella image prune --all --force"""


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-a", "--all", action="store_true", help="named images too: every one no container uses")
    parser.add_argument("--build-cache", action="store_true", help="the build cache too, and caches of RUN")
    parser.add_argument("-f", "--force", action="store_true", help="do not ask")
    parser.add_argument("--format", choices=("text", "json"), default="text", help="how it is printed")


def run(args: argparse.Namespace, session: Session) -> int:
    from lamella.cli.caches import drop_caches
    from lamella.cli.imageusers import used_images
    from lamella.cli.snapshots import drop_snapshots, enter_for_files
    from lamella.cli.text.docker import human_size
    from lamella.store.collect import prune

    if not _agreed(args, session):
        session.note("nothing was removed")
        return 0
    store = session.store()
    enter_for_files(store)
    freed = prune(store, all=args.all, build_cache=args.build_cache, keep=used_images(store))
    dropped = drop_snapshots(store)
    caches = drop_caches(store, all=args.build_cache)
    size = freed.size + dropped.size + caches.size
    if args.format == "json":
        session.json(
            {
                "schema": 1,
                "untagged": list(freed.untagged),
                "deleted": list(freed.images),
                "blobs": list(freed.blobs),
                "snapshots": dropped.snapshots,
                "cache_records": freed.cache_records,
                "cache_mounts": caches.folders,
                "reclaimed": size,
            }
        )
        return 0
    for name in freed.untagged:
        session.out(f"untagged: {name}")
    for image_id in freed.images:
        session.out(f"deleted: {image_id}")
    session.out(f"Total reclaimed space: {human_size(size)}")
    if freed.in_use:
        session.note(f"note: {freed.in_use} blobs stay, a running command may need them")
    return 0


def _agreed(args: argparse.Namespace, session: Session) -> bool:
    if args.force:
        return True
    what = ["all images that no container uses" if args.all else "all unnamed images"]
    what += ["the build cache", "the caches of RUN --mount=type=cache"] if args.build_cache else []
    sys.stderr.write(f"This will remove {', '.join(what)}, and what only they need. Continue? [y/N] ")
    sys.stderr.flush()
    answer = sys.stdin.readline()
    if not answer:
        from lamella.errors import UsageError

        sys.stderr.write("\n")
        raise UsageError("nobody is there to answer; nothing was removed", hint="--force does not ask")
    return answer.strip().lower() in ("y", "yes")
