"""The options that ``lamella build`` alone takes, as its request has them. Imports only what is asked for."""

from __future__ import annotations

import argparse
import os
from typing import Any

from lamella.build.request import BuildRequest
from lamella.cli.dockerfile import pairs
from lamella.errors import MachineError, NotSupported, UsageError
from lamella.oci.platform import Platform


def with_options(args: argparse.Namespace, request: BuildRequest) -> BuildRequest:
    """The request with what ``build`` alone takes. Raises UsageError, InputError, NotSupported."""
    from lamella.oci.reference import parse_reference

    platforms = platforms_of(args)
    for flag, path in (("--iidfile", args.iidfile), ("--metadata-file", args.metadata_file)):
        if path:
            _check_file(flag, path)
    for tag in args.tag:
        if parse_reference(tag).digest is not None:
            raise UsageError(f"-t {tag}: a digest comes of the build, it cannot be asked for")
    return _with_outputs(args, request)._replace(
        tags=tuple(args.tag),
        platform=platforms[0] if platforms else None,
        labels=pairs(args.label, "--label", may_be_empty=True),
        network=args.network,
        no_cache=args.no_cache,
        layers=args.layers,
        **_access(args),
        no_cache_stages=tuple(args.no_cache_filter),
        explain_cache=not args.quiet and (args.explain_cache or args.progress != "auto"),
    )


def _check_file(flag: str, path: str) -> None:
    """Before anything is built: a build whose answer cannot be written is in vain."""
    if os.path.isdir(path):
        raise MachineError(f"{flag}: cannot write the file: this is a folder", where=path, hint="name a file")
    if not os.path.isdir(os.path.dirname(path) or "."):
        message = f"{flag}: cannot write the file: there is no folder {os.path.dirname(path)}"
        raise MachineError(message, where=path, hint="make it first")


def _access(args: argparse.Namespace) -> dict[str, Any]:
    """What steps may have, where anything is given."""
    if not (args.secret or args.ssh or args.allow):
        return {}
    from lamella.cli.view.access import parse_agents, parse_allowed, parse_secrets

    return {
        "secrets": parse_secrets(args.secret),
        "ssh": parse_agents(args.ssh),
        "allow": parse_allowed(args.allow),
    }


def _with_outputs(args: argparse.Namespace, request: BuildRequest) -> BuildRequest:
    """Imports only what is asked for: most builds go into the store as they are."""
    annotations = args.annotation
    if args.output:
        from lamella.build.output import makes_image
        from lamella.cli.outputs import parse_outputs

        asked = parse_outputs(args.output)
        if args.iidfile and not makes_image(asked.outputs):
            hint = "leave it out, or add --output type=image"
            raise UsageError("--iidfile: no image comes of these outputs", hint=hint)
        annotations = [*asked.annotations, *annotations]
        request = request._replace(outputs=asked.outputs, compression=asked.compression or request.compression)
    if annotations:
        from lamella.cli.annotations import parse_annotations

        request = request._replace(annotations=parse_annotations(annotations))
    return request


def platforms_of(args: argparse.Namespace) -> tuple[Platform, ...]:
    """Each once; ``local`` is this machine's. Raises InputError, NotSupported."""
    if not args.platform:
        return ()
    from lamella.oci.platform import normalize_platform, parse_platform

    host = normalize_platform("linux", os.uname().machine)
    words = [word.strip() for text in args.platform if text for word in text.split(",")]
    found = tuple(dict.fromkeys(host if word == "local" else parse_platform(word) for word in words))
    for platform in found:
        if platform.os != "linux":
            raise NotSupported(f"--platform {platform}: images are built for Linux only", hint="write linux/amd64")
    return found
