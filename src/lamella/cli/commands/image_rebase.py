"""``lamella image rebase``."""

from __future__ import annotations

import argparse
from contextlib import nullcontext
from typing import TYPE_CHECKING

from lamella.cli.session import Session

if TYPE_CHECKING:
    from lamella.oci.image import Image

SUMMARY = "move an image to another base; its own layers stay as they are"
EXAMPLES = """lamella image rebase app --onto debian:bookworm -t app:patched
lamella image rebase app --base debian:old --onto debian:bookworm -t app:patched"""
_SHOWN = 10
_NO_BASE = "name it with --base; the store must hold it, or an archive"


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("image", metavar="IMAGE", help="a name, an ID prefix, or an archive")
    parser.add_argument("--onto", required=True, metavar="IMAGE", help="the new base")
    parser.add_argument("--base", metavar="IMAGE", help="the base that it stands on (default: found in the store)")
    parser.add_argument("-t", "--tag", action="append", default=[], metavar="NAME", help="name the new image")


def run(args: argparse.Namespace, session: Session) -> int:
    from lamella.cli.view.reshape import change_line, known_base, stored_image
    from lamella.image.rebase import rebase

    store = session.store()
    with stored_image(args.image, store) as image, stored_image(args.onto, store) as new:
        with (
            nullcontext(known_base(args.image, image, store, _NO_BASE))
            if args.base is None
            else stored_image(args.base, store) as old
        ):
            rebased = rebase(image, old, new)
            _warn(image, old, new, session)
        result = store.images.put(rebased.manifest.raw, rebased.config.raw, args.tag)
        session.note(change_line(store, image, rebased))
    session.out(result.image_id)
    return 0


def _warn(image: Image, old: Image, new: Image, session: Session) -> None:
    """What is new in the base and will not be seen."""
    from lamella.filetree.tree import merge_layers
    from lamella.image.rebase import hidden_changes

    layers = session.store().layers
    for one in (image, old, new):
        for layer in one.layers:
            layers.ensure_toc(layer)
    before, after = (merge_layers(list(layers.toc(each)) for each in one.config.diff_ids) for one in (old, new))
    own = image.config.diff_ids[len(old.config.diff_ids) :]
    hidden = hidden_changes(before, after, (layers.toc(diff_id) for diff_id in own))
    for path in hidden[:_SHOWN]:
        session.note(
            f"warning: /{path} differs in the new base, and the image's own file, made for the old one, hides it"
        )
    if len(hidden) > _SHOWN:
        session.note(
            f"warning: and {len(hidden) - _SHOWN} more such files; rebuilding on the new base would take them up"
        )
