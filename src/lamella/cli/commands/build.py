"""``lamella build``."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from lamella.cli.dockerfile import add_dockerfile_options
from lamella.cli.registryoptions import add_registry_options
from lamella.cli.session import Session

if TYPE_CHECKING:
    from lamella.build.request import BuildRequest, BuildResult
    from lamella.cli.remember import Transcript
    from lamella.events import Emit

SUMMARY = "build an image from a Dockerfile"
EXAMPLES = """lamella build -t helloworld .
lamella build -t app:dev -f docker/app.Dockerfile --target test --build-arg VERSION=2 .
lamella build --secret id=token,env=TOKEN --ssh default .
lamella build --platform linux/arm64 -o out .
tar -c . | lamella build -
SOURCE_DATE_EPOCH=0 lamella build -q ."""


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "context",
        nargs="?",
        default=".",
        metavar="CONTEXT",
        help="the folder of the build context, or the address of a repository or an archive; - reads standard input",
    )
    parser.add_argument("-t", "--tag", action="append", default=[], metavar="NAME", help="name the image")
    add_dockerfile_options(parser)
    parser.add_argument(
        "--platform", action="append", default=[], metavar="OS/ARCH", help="build for this platform; several: an index"
    )
    parser.add_argument("--network", choices=("default", "none", "host"), default="default", help="network of RUN")
    parser.add_argument("--no-cache", action="store_true", help="run every step again")
    parser.add_argument(
        "--no-cache-filter", action="append", default=[], metavar="STAGE", help="run every step of this stage again"
    )
    parser.add_argument("--explain-cache", action="store_true", help="say why each step was not in the cache")
    parser.add_argument("--pull", action="store_true", help="ask the registry for newer base images")
    parser.add_argument("--label", action="append", default=[], metavar="NAME=VALUE", help="add a label")
    parser.add_argument("--annotation", action="append", default=[], metavar="NAME=VALUE", help="annotate the manifest")
    parser.add_argument("--secret", action="append", default=[], metavar="id=NAME,src=FILE", help="a secret for RUN")
    parser.add_argument("--ssh", action="append", default=[], metavar="default|ID[=PATH]", help="an SSH agent for RUN")
    parser.add_argument("--allow", action="append", default=[], metavar="WHAT", help="network.host, security.insecure")
    parser.add_argument(
        "--output",
        "-o",
        action="append",
        default=[],
        metavar="SPEC",
        help="where to: type=…,dest=…, a folder, or - (tar)",
    )
    parser.add_argument("--iidfile", metavar="FILE", help="write the image ID to this file")
    parser.add_argument("--metadata-file", metavar="FILE", help="write digests as JSON to this file")
    parser.add_argument("--progress", choices=("auto", "plain", "json"), default="auto", help="how progress is shown")
    parser.add_argument("-q", "--quiet", action="store_true", help="print the image ID only")
    parser.add_argument(
        "--layers",
        choices=("faithful", "tight", "single"),
        default="faithful",
        help="which steps share a layer: none (faithful), neighbours of a kind (tight), all (single)",
    )
    add_registry_options(parser)


def run(args: argparse.Namespace, session: Session) -> int:
    began = time.time_ns()
    if args.context == "-":
        from lamella.cli.stdin import read_stdin
        from lamella.cli.view.request import source_request

        with read_stdin(session.store(), args.file) as source:
            request = source_request(args, source.dockerfile)._replace(unpacked=source.tree)
            return _build(args, session, request, began)
    if _is_address(args.context):
        from lamella.cli.remote import read_remote
        from lamella.cli.view.request import source_request

        with read_remote(args.context, session.store(), args.file, args.build_arg) as source:
            request = source_request(args, source.dockerfile)._replace(unpacked=source.tree)
            return _build(args, session, request, began)
    from lamella.cli.view.request import dockerfile_request

    request = dockerfile_request(args, args.file, args.context)
    return _build(args, session, request, began)


def _is_address(context: str) -> bool:
    """Whether it is to be fetched. What is there under this name goes first, as in Docker."""
    from lamella.plan.address import is_remote

    return (is_remote(context) or context.startswith("github.com/")) and not os.path.exists(context)


def _build(args: argparse.Namespace, session: Session, request: BuildRequest, began: int) -> int:
    """``began`` is when the command did, before it read anything (ns since the epoch)."""
    from lamella.build.engine import build
    from lamella.cli.buildoptions import platforms_of, with_options
    from lamella.cli.fetching import Fetcher
    from lamella.cli.registryoptions import registry_settings
    from lamella.cli.remember import Transcript, may_remember, remember

    request = with_options(args, request)
    err = Transcript(sys.stderr)
    platforms = platforms_of(args)
    with _listening(args, err) as emit:
        request = request._replace(
            pull=Fetcher(session.store(), lambda: registry_settings(args), emit), always_pull=args.pull
        )
        if len(platforms) > 1:
            from lamella.build.platforms import build_platforms

            result = build_platforms(request, platforms, session.store(), emit)
        else:
            result = build(request, session.store(), emit)
    if args.iidfile or args.metadata_file:
        from lamella.cli.resultfiles import write_files

        write_files(args, result)
    if not args.quiet:
        _write_sizes(args, session, result, err)
    sys.stderr.flush()
    if result.is_image and all(output.stream is None for output in request.outputs):
        session.out(result.image_id)
    if may_remember(args, result):
        remember(session, request, result, err.text, began)
    return 0


@contextmanager
def _listening(args: argparse.Namespace, stream: Transcript) -> Iterator[Emit]:
    if args.quiet:
        from lamella.events import ignore

        yield ignore
        return
    from lamella.cli.progress import listener

    shown = listener(args.progress, stream)
    try:
        yield shown.emit
    finally:
        shown.close()


def _write_sizes(args: argparse.Namespace, session: Session, result: BuildResult, err: Transcript) -> None:
    """What each step added and lost, and what each image came to: for people, or as the last events."""
    from lamella.cli.view.sizes import as_json, build_sizes

    for one in result.parts or (result,):
        sizes = build_sizes(one, session.store())
        if args.progress == "json":
            import json

            err.write(json.dumps(as_json(sizes, one)) + "\n")
            continue
        from lamella.cli.text.sizes import sizes_lines

        title = [f"{one.config.platform}:"] if result.parts else []
        err.write("\n".join(["", *title, *sizes_lines(sizes, one), ""]))
