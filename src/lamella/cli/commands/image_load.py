"""``lamella image load``, also ``lamella load``."""

from __future__ import annotations

import argparse
import sys

from lamella.cli.session import Session

SUMMARY = "read images from an archive of docker save, podman save or skopeo"
EXAMPLES = """lamella image load -i app.tar
docker save app | lamella image load"""


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "-i", "--input", metavar="FILE", help="the archive, compressed or not (default: standard input)"
    )
    parser.add_argument("-q", "--quiet", action="store_true", help="print nothing")


def run(args: argparse.Namespace, session: Session) -> int:
    from lamella.errors import UsageError
    from lamella.store.load import load_archive

    if args.input in (None, "-") and sys.stdin.isatty():
        raise UsageError("an archive is not read from a terminal", hint="use -i FILE, or send it through a pipe")
    for image in load_archive(session.store(), args.input or "-"):
        if not args.quiet:
            for name in image.names:
                session.out(f"Loaded image: {name}")
            if not image.names:
                session.out(f"Loaded image ID: {image.image_id}")
    return 0
