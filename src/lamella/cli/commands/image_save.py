"""``lamella image save``, also ``lamella save``."""

from __future__ import annotations

import argparse
import os
import sys
from typing import TYPE_CHECKING, BinaryIO

from lamella.cli.session import Session

if TYPE_CHECKING:
    from lamella.store.save import Saved
    from lamella.store.store import Store

SUMMARY = "write images to an archive that docker load, podman and skopeo take"
EXAMPLES = """lamella image save -o app.tar app:1.2
lamella image save app | ssh host docker load
lamella image save --format oci -o app.tar app
lamella image save --format oci-dir -o layout/ app"""


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("image", nargs="+", metavar="IMAGE", help="a name, or an ID prefix (saved without a name)")
    parser.add_argument("-o", "--output", metavar="FILE", help="where to (default: standard output)")
    parser.add_argument(
        "--format",
        choices=("docker", "oci", "oci-dir"),
        default="docker",
        help="docker: for docker load, and an OCI archive too; oci: an OCI archive; oci-dir: an OCI layout in a folder",
    )


def run(args: argparse.Namespace, session: Session) -> int:
    from lamella.errors import UsageError
    from lamella.store.save import chosen, save_oci_layout

    to_stdout = args.output in (None, "-")
    if args.format == "oci-dir" and to_stdout:
        raise UsageError("an OCI layout is a folder", hint="name it with -o FOLDER")
    if to_stdout and sys.stdout.isatty():
        raise UsageError("an archive is not written to a terminal", hint="use -o FILE, or send it into a pipe")
    store = session.store()
    images = chosen(store, args.image)
    if args.format == "oci-dir":
        save_oci_layout(store, images, os.path.abspath(args.output))
    elif to_stdout:
        _save(args.format, store, images, sys.stdout.buffer)
        sys.stdout.buffer.flush()
    else:
        from lamella.store.disk import replacing

        with replacing(args.output, "write the archive") as file:
            _save(args.format, store, images, file)
    return 0


def _save(form: str, store: Store, images: list[Saved], sink: BinaryIO) -> None:
    from lamella.store.save import save_docker_archive, save_oci_archive

    (save_docker_archive if form == "docker" else save_oci_archive)(store, images, sink)
