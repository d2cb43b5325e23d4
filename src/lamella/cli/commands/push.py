"""``lamella push``."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from lamella.cli.session import Session
from lamella.errors import UsageError

if TYPE_CHECKING:
    from lamella.oci.reference import Reference
    from lamella.registry.push import Pushed
    from lamella.registry.recompress import Compression

SUMMARY = "send an image to a registry, or into an archive, a layout or a daemon"
EXAMPLES = """lamella push registry.example:5000/team/app:1.2
lamella push app:1.2 registry.example:5000/team/app:1.2
lamella push --compression zstd --compression-level 9 app docker://registry.example/team/app
lamella push --all-platforms team/app
lamella push app oci-archive:app.tar"""


def configure(parser: argparse.ArgumentParser) -> None:
    from lamella.cli.registryoptions import add_progress_options, add_registry_options

    parser.add_argument("image", metavar="IMAGE", help="a name in the store, or any other image")
    parser.add_argument(
        "destination",
        nargs="?",
        metavar="DEST",
        help="a reference, docker://REFERENCE, oci:DIR, oci-archive:FILE, docker-archive:FILE or docker-daemon:NAME "
        "(default: IMAGE is the reference)",
    )
    parser.add_argument("--platform", metavar="OS/ARCH", help="of a multi-platform image, the one for this platform")
    parser.add_argument("--all-platforms", action="store_true", help="push all platforms that are here, and the index")
    parser.add_argument("--compression", choices=("gzip", "zstd"), help="compress layers of other compressions by this")
    parser.add_argument("--compression-level", type=int, metavar="N", help="gzip 0 to 9, zstd -7 to 22")
    parser.add_argument("--force-compression", action="store_true", help="compress those that are of it already, too")
    parser.add_argument("--digestfile", metavar="FILE", help="write the digest of what was pushed to this file")
    add_progress_options(parser, "print the reference only")
    add_registry_options(parser)


def run(args: argparse.Namespace, session: Session) -> int:
    from lamella.registry.homes import find_home

    home = find_home(args.destination) if args.destination else None
    if home is not None:
        return _write(args, session)
    reference = _reference(args)
    pushed = _push(args, session, reference, _compression(args))
    if args.digestfile:
        from lamella.store.disk import replacing

        with replacing(args.digestfile, "write the digest") as file:
            file.write(pushed.digest.encode())
    if args.quiet:
        session.out(reference.familiar)
    else:
        session.out(f"{reference.tag}: digest: {pushed.digest} size: {pushed.size}")
    return 0


def _reference(args: argparse.Namespace) -> Reference:
    """Where to. Raises UsageError, ReferenceError_."""
    from lamella.oci.reference import parse_reference

    text = args.destination or args.image
    reference = parse_reference(text.removeprefix("docker://"))
    if reference.digest is not None or reference.tag is None:
        raise UsageError(f"{text}: a digest comes of the push, it cannot be pushed to", hint="write NAME:TAG")
    return reference


def _compression(args: argparse.Namespace) -> Compression:
    from lamella.registry.recompress import Compression

    compression = Compression(args.compression, args.compression_level, args.force_compression)
    compression.check()
    return compression


def _push(args: argparse.Namespace, session: Session, reference: Reference, compression: Compression) -> Pushed:
    from lamella.cli.registryoptions import registry_settings
    from lamella.cli.transfer import listening, push_to

    platform = None
    if args.platform:
        from lamella.oci.platform import parse_platform

        platform = parse_platform(args.platform)
    if platform is not None and args.all_platforms:
        raise UsageError("--platform names one platform, --all-platforms all of them", hint="leave one of them out")
    settings = registry_settings(args)
    with listening(args) as emit:
        return push_to(
            reference, args.image, session.store(), settings, emit,
            platform=platform, all_platforms=args.all_platforms, compression=compression,
        )  # fmt: skip


def _write(args: argparse.Namespace, session: Session) -> int:
    """To another place than a registry."""
    from lamella.cli.registryoptions import registry_settings
    from lamella.registry.homes import find_home, write_image
    from lamella.registry.locate import open_images

    for flag in ("compression", "compression_level", "force_compression", "digestfile", "all_platforms", "platform"):
        if getattr(args, flag):
            name = "--" + flag.replace("_", "-")
            raise UsageError(f"{name} is for registries, and {args.destination} is none", hint="leave it out")
    home = find_home(args.destination)
    assert home is not None
    store = session.store()
    with open_images([args.image], store, registry_settings(args)) as images:
        write_image(store, images, home)
    if not args.quiet:
        session.note(f"wrote {args.destination}")
    return 0
