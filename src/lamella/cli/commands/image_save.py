"""``lamella image save``, also ``lamella save``."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from lamella.cli.session import Session

if TYPE_CHECKING:
    from lamella.store.homes import Home

SUMMARY = "write images to an archive that docker load, podman and skopeo take, a layout or a daemon"
EXAMPLES = """lamella image save -o app.tar app:1.2
lamella image save app | ssh host docker load
lamella image save -o oci-archive:app.tar app
lamella image save -o oci:layout/ app:1 app:2
lamella image save -o docker-daemon: app"""
_KINDS = {"docker": "docker-archive", "oci": "oci-archive", "oci-dir": "oci"}


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "image",
        nargs="+",
        metavar="IMAGE",
        help="a name, an ID prefix (saved without a name), oci:DIR, docker-archive:FILE …",
    )
    parser.add_argument(
        "-o",
        "--output",
        metavar="FILE",
        help="where to (default: standard output): FILE, docker-archive:FILE[:NAME], oci-archive:FILE[:NAME], "
        "oci:DIR[:NAME] or docker-daemon:[NAME]",
    )
    parser.add_argument(
        "--format",
        choices=tuple(_KINDS),
        help="docker (default): for docker load, and an OCI archive too; oci: an OCI archive; "
        "oci-dir: an OCI layout in a folder",
    )


def run(args: argparse.Namespace, session: Session) -> int:
    from lamella.errors import UsageError
    from lamella.registry.homes import write_image
    from lamella.registry.locate import open_images

    home = _home(args.output, args.format)
    if home.to_stdout and sys.stdout.isatty():
        raise UsageError("an archive is not written to a terminal", hint="use -o FILE, or send it into a pipe")
    store = session.store()
    with open_images(args.image, store) as images:
        write_image(store, images, home)
    return 0


def _home(output: str | None, form: str | None) -> Home:
    from lamella.errors import UsageError
    from lamella.registry.homes import find_home
    from lamella.store.homes import Home

    home = find_home(output or "-")
    if home is not None:
        if form is not None and _KINDS[form] != home.kind:
            raise UsageError(f"{output} is not of the format {form}", hint="leave --format out")
        return home
    if form == "oci-dir" and output in (None, "-"):
        raise UsageError("an OCI layout is a folder", hint="name it with -o FOLDER")
    return Home(_KINDS[form or "docker"], output or "-")
