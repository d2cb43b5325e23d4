"""``lamella image rm``, also ``lamella rmi``."""

from __future__ import annotations

import argparse

from lamella.cli.session import Session

SUMMARY = "take names off images; the last name takes the image with it"
EXAMPLES = """lamella image rm app:old
lamella image rm --force 4f1e"""


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("image", nargs="+", metavar="IMAGE", help="a name, or an ID prefix for the image itself")
    parser.add_argument(
        "-f",
        "--force",
        action="store_true",
        help="remove an image with all of its names, and one that containers are of",
    )


def run(args: argparse.Namespace, session: Session) -> int:
    from lamella.cli.imageusers import refuse_used
    from lamella.cli.snapshots import drop_snapshots, enter_for_files
    from lamella.errors import InputError, LamellaError
    from lamella.store.collect import remove_image

    store = session.store()
    enter_for_files(store)
    failed: list[LamellaError] = []
    removed = False
    for text in args.image:
        try:
            if not args.force:
                refuse_used(store, text)
            freed = remove_image(store, text, force=args.force)
        except InputError as error:  # the others are still removed, as in Docker
            failed.append(error)
            continue
        for name in freed.untagged:
            session.out(f"Untagged: {name}")
        for image_id in freed.images:
            session.out(f"Deleted: {image_id}")
            removed = True
    if removed:
        drop_snapshots(store)
    for earlier in failed[:-1]:
        session.note(f"error: {earlier}")
    if failed:
        raise failed[-1]
    return 0
