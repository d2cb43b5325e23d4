"""``lamella inspect``: containers and images by one name, as in Docker."""

from __future__ import annotations

import argparse

from lamella.cli.session import Session

SUMMARY = "everything about containers or images, as JSON in Docker's shape"
EXAMPLES = """lamella inspect go-helloworld
lamella inspect web | jq '.[0].State.Health'"""


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", nargs="+", metavar="NAME", help="a container, else an image")
    parser.add_argument("--type", choices=("container", "image"), help="only this kind of thing")
    parser.add_argument("--format", choices=("json",), default="json", help="JSON is all there is")


def run(args: argparse.Namespace, session: Session) -> int:
    from lamella.cli.view.container import container_json
    from lamella.container.recover import recover
    from lamella.container.table import Table
    from lamella.errors import NotFound

    table = Table(session.root)
    recover(table)
    found = []
    for name in args.name:
        if args.type != "image":
            try:
                found.append(container_json(table.find(name)))
                continue
            except NotFound:
                if args.type == "container":
                    raise
        from lamella.cli.commands.image_inspect import image_json

        found.append(image_json(name, session))
    session.json(found)
    return 0
