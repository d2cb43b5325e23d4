"""``lamella image tag``, also ``lamella tag``."""

from __future__ import annotations

import argparse

from lamella.cli.session import Session

SUMMARY = "give an image one more name"
EXAMPLES = """lamella image tag app:latest app:1.2
lamella image tag 4f1e registry.example:5000/team/app:1.2"""


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("image", metavar="IMAGE", help="a name or an ID prefix")
    parser.add_argument("name", metavar="NAME", help="the new name; without a tag it is :latest")


def run(args: argparse.Namespace, session: Session) -> int:
    images = session.store().images
    images.tag(args.name, images.resolve(args.image))
    return 0
