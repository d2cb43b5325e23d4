"""``lamella image squash``."""

from __future__ import annotations

import argparse

from lamella.cli.session import Session

SUMMARY = "put layers of an image together into one; those below stay as they are"
EXAMPLES = """lamella image squash app -t app:small
lamella image squash app --from 3 -t app:small
lamella image squash app --from 3 --to 5 -t app:small"""
_NO_BASE = "say where to begin: --from 0 joins all of them; 'lamella explain IMAGE' shows the layers"


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("image", metavar="IMAGE", help="a name, an ID prefix, or an archive")
    parser.add_argument(
        "--from",
        dest="first",
        type=int,
        metavar="N",
        help="the lowest layer to join, counted from 0 (default: the first above the base, where that is known)",
    )
    parser.add_argument("--to", dest="last", type=int, metavar="N", help="the highest (default: the image's last)")
    parser.add_argument("-t", "--tag", action="append", default=[], metavar="NAME", help="name the new image")


def run(args: argparse.Namespace, session: Session) -> int:
    from lamella.cli.dockerfile import source_date_epoch
    from lamella.cli.text.counts import count
    from lamella.cli.view.reshape import change_line, known_base, stored_image
    from lamella.store.squash import squash

    store = session.store()
    with stored_image(args.image, store) as image:
        first = args.first
        if first is None:
            first = len(known_base(args.image, image, store, _NO_BASE).layers)
        last = len(image.layers) - 1 if args.last is None else args.last
        squashed = squash(store, image, first, last, clamp_mtime=source_date_epoch())
        result = store.images.put(squashed.manifest.raw, squashed.config.raw, args.tag)
        session.note(
            f"{count(first, 'layer')} below stay{'s' if first == 1 else ''}; {change_line(store, image, squashed)}"
        )
    session.out(result.image_id)
    return 0
