"""``lamella image import``, also ``lamella import``."""

from __future__ import annotations

import argparse
import os
import sys
from typing import TYPE_CHECKING

from lamella.cli.session import Session

if TYPE_CHECKING:
    from lamella.oci.config import RunConfig
    from lamella.oci.platform import Platform

SUMMARY = "make an image of one layer from the archive of a root file system"
EXAMPLES = """lamella image import alpine-minirootfs.tar.gz alpine:3.20
tar -C rootfs -c . | lamella image import - base
lamella image import -c 'CMD ["/bin/sh"]' -c 'ENV LANG=C.UTF-8' rootfs.tar base"""
_CHANGES = (
    "CMD", "ENTRYPOINT", "ENV", "EXPOSE", "HEALTHCHECK", "LABEL", "ONBUILD", "SHELL", "STOPSIGNAL", "USER", "VOLUME",
    "WORKDIR",
)  # fmt: skip


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", help="a tar archive, compressed or not; - is standard input")
    parser.add_argument("name", nargs="?", metavar="NAME", help="the image's name; without a tag it is :latest")
    parser.add_argument(
        "-c", "--change", action="append", default=[], metavar="INSTRUCTION", help=f"one of {', '.join(_CHANGES)}"
    )
    parser.add_argument("-m", "--message", default="", metavar="TEXT", help="the comment of the history entry")
    parser.add_argument("--platform", metavar="OS/ARCH", help="what the files are for (default: this machine)")


def run(args: argparse.Namespace, session: Session) -> int:
    from lamella.errors import UsageError
    from lamella.oci.platform import parse_platform
    from lamella.store.instant import format_instant
    from lamella.store.mirror import host_platform
    from lamella.store.rootfs import import_rootfs

    if args.file == "-" and sys.stdin.isatty():
        raise UsageError("an archive is not read from a terminal", hint="send it through a pipe, or name a file")
    platform = parse_platform(args.platform) if args.platform else host_platform()
    epoch = os.environ.get("SOURCE_DATE_EPOCH", "")
    image = import_rootfs(
        session.store(),
        args.file,
        args.name,
        created=format_instant(int(epoch) * 1_000_000_000) if epoch.isdecimal() else "",
        config=_config(args.change, platform),
        platform=platform,
        message=args.message,
    )
    session.out(image.image_id)
    return 0


def _config(changes: list[str], platform: Platform) -> RunConfig | None:
    """The config that the instructions make, by the same code that builds them."""
    if not changes:
        return None
    from lamella.errors import DockerfileError
    from lamella.oci.config import RunConfig
    from lamella.plan.graph import plan_document
    from lamella.plan.lower import lower_stage
    from lamella.plan.stage import PlanOptions, StageState
    from lamella.syntax.parser import parse

    for change in changes:
        if change.split(maxsplit=1)[:1] and change.split(maxsplit=1)[0].upper() in _CHANGES and "\n" not in change:
            continue
        raise DockerfileError(
            f"{change!r} is no change to a config", where="--change", hint=f"use {', '.join(_CHANGES)}"
        )
    text = "\n".join(["FROM scratch", *changes, ""])
    plan = plan_document(parse(text, "--change"), PlanOptions(target_platform=platform))
    return lower_stage(plan, plan.stages[0], StageState(RunConfig(), platform)).state.config
