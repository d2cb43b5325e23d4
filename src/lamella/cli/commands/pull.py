"""``lamella pull``."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from lamella.cli.session import Session

if TYPE_CHECKING:
    from lamella.registry.pull import Pulled

SUMMARY = "fetch an image from a registry"
EXAMPLES = """lamella pull alpine:3.20
lamella pull registry.example:5000/team/app@sha256:4f1e…
lamella pull --platform linux/arm64 debian:12
lamella pull --all-platforms debian:12"""


def configure(parser: argparse.ArgumentParser) -> None:
    from lamella.cli.registryoptions import add_progress_options, add_registry_options

    parser.add_argument("reference", nargs="+", metavar="REFERENCE", help="[REGISTRY/]NAME[:TAG][@DIGEST]")
    parser.add_argument("--platform", metavar="OS/ARCH", help="the image for this platform (default: this machine's)")
    parser.add_argument("--all-platforms", action="store_true", help="fetch the images for all platforms")
    parser.add_argument(
        "--no-unpack", action="store_true", help="store the layers, and leave unpacking to who needs it"
    )
    add_progress_options(parser, "print the image's name only")
    add_registry_options(parser)


def run(args: argparse.Namespace, session: Session) -> int:
    from lamella.cli.registryoptions import registry_settings
    from lamella.cli.transfer import listening, pull_image
    from lamella.oci.platform import parse_platform
    from lamella.oci.reference import parse_reference

    references = [parse_reference(text.removeprefix("docker://")) for text in args.reference]
    if any(reference.familiar == "scratch:latest" for reference in references):
        from lamella.errors import UsageError

        raise UsageError("scratch is no image that can be pulled", hint="FROM scratch begins with nothing")
    platform = parse_platform(args.platform) if args.platform else None
    settings = registry_settings(args)
    with listening(args) as emit:
        for reference in references:
            pulled = pull_image(
                reference, session.store(), settings, emit,
                platform=platform, all_platforms=args.all_platforms, unpack=not args.no_unpack,
            )  # fmt: skip
            _tell(pulled, session, quiet=args.quiet)
    return 0


def _tell(pulled: Pulled, session: Session, *, quiet: bool) -> None:
    """As Docker does it."""
    if not quiet:
        session.out(f"Digest: {pulled.digest}")
        status = "Downloaded newer image for" if pulled.changed else "Image is up to date for"
        session.out(f"Status: {status} {pulled.name}")
    session.out(pulled.name)
