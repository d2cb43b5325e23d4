"""``lamella image tag``, also ``lamella tag``."""

from __future__ import annotations

import argparse

from lamella.cli.session import Session

SUMMARY = "give an image one more name"
EXAMPLES = """lamella image tag app:latest app:1.2
lamella image tag docker-daemon:app app
lamella image tag 4f1e registry.example:5000/team/app:1.2"""


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("image", metavar="IMAGE", help="a name, an ID prefix, or one from elsewhere, which is stored")
    parser.add_argument("name", metavar="NAME", help="the new name; without a tag it is :latest")


def run(args: argparse.Namespace, session: Session) -> int:
    from lamella.registry.locate import open_image
    from lamella.store.dockerarchive import DockerSource
    from lamella.store.images import storable_name
    from lamella.store.load import put_image

    store = session.store()
    name = storable_name(args.name)
    with open_image(args.image, store) as located:
        if located.blobs is store.blobs:
            store.images.tag(name, store.images.resolve(args.image))
        else:
            old_form = isinstance(located.blobs, DockerSource)  # without a manifest, and its layers plain
            put_image(store, located.blobs, located.image, [name], compress=old_form)
    return 0
