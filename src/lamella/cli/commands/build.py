"""``lamella build``."""

from __future__ import annotations

import argparse
import sys
import time
from typing import TYPE_CHECKING, Any, TextIO

from lamella.cli.dockerfile import add_dockerfile_options, pairs
from lamella.cli.replay import default_root, may_record, record
from lamella.cli.session import Session
from lamella.errors import NotSupported, UsageError

if TYPE_CHECKING:
    from lamella.build.request import BuildRequest, BuildResult
    from lamella.events import Emit

SUMMARY = "build an image from a Dockerfile"
EXAMPLES = """lamella build -t helloworld .
lamella build -t app:dev -f docker/app.Dockerfile --target test --build-arg VERSION=2 .
lamella build --secret id=token,env=TOKEN --ssh default .
SOURCE_DATE_EPOCH=0 lamella build -q ."""


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("context", nargs="?", default=".", metavar="CONTEXT", help="the folder of the build context")
    parser.add_argument("-t", "--tag", action="append", default=[], metavar="NAME", help="name the image")
    add_dockerfile_options(parser)
    parser.add_argument("--platform", metavar="OS/ARCH", help="choose and label the image for this platform")
    parser.add_argument("--network", choices=("default", "none", "host"), default="default", help="network of RUN")
    parser.add_argument("--no-cache", action="store_true", help="run every step again")
    parser.add_argument("--explain-cache", action="store_true", help="say why each step was not in the cache")
    parser.add_argument("--pull", action="store_true", help="look for newer base images (not supported yet)")
    parser.add_argument("--label", action="append", default=[], metavar="NAME=VALUE", help="add a label")
    parser.add_argument("--annotation", action="append", default=[], metavar="NAME=VALUE", help="annotate the manifest")
    parser.add_argument("--secret", action="append", default=[], metavar="id=NAME,src=FILE", help="a secret for RUN")
    parser.add_argument("--ssh", action="append", default=[], metavar="default|ID[=PATH]", help="an SSH agent for RUN")
    parser.add_argument("--allow", action="append", default=[], metavar="WHAT", help="network.host, security.insecure")
    parser.add_argument("--output", "-o", metavar="SPEC", help="write elsewhere too (not supported yet)")
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


def run(args: argparse.Namespace, session: Session) -> int:
    began = time.time_ns()
    _refuse_unsupported(args)
    request = _request(args)
    from lamella.build.engine import build

    err = Transcript(sys.stderr)
    result = build(request, session.store(), _listener(args, err))
    _write_files(args, result)
    if not args.quiet:
        _write_sizes(args, session, result, err)
    sys.stderr.flush()
    session.out(result.image_id)
    if all(step.cached for step in result.steps) and may_record(session.words):
        _record(session, request, result, err.text, began)
    return 0


class Transcript:
    """A stream that remembers what went through it."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._written: list[str] = []

    @property
    def text(self) -> str:
        return "".join(self._written)

    def write(self, text: str) -> int:
        self._written.append(text)
        return self._stream.write(text)

    def flush(self) -> None:
        self._stream.flush()


def _record(session: Session, request: BuildRequest, result: BuildResult, err: str, began: int) -> None:
    """Everything was cached: the same words can be answered by a note as long as nothing changes."""
    import os

    from lamella.build.engine import ignore_candidates

    store = session.store()
    if session.root != default_root() or request.dockerfile is None or request.context is None:
        return
    root = os.path.abspath(request.context)
    named = (path for folder, _ in result.looked_at for path in ignore_candidates(folder, None))
    own = (request.dockerfile, *ignore_candidates(root, request.dockerfile), *named, f"{store.root}/index.json")
    stats: dict[str, os.stat_result | None] = {}
    for path in own:
        if os.path.islink(path):
            return  # what it leads to may change without the link
        stats[path] = os.lstat(path) if os.path.lexists(path) else None
    for folder, seen in result.looked_at:
        stats.update({f"{folder}/{path}" if path else folder: stat for path, stat in seen.items()})
    image = store.images.get(result.manifest.digest).image
    digests = (result.manifest.digest, image.manifest.config.digest, *(layer.blob.digest for layer in image.layers))
    record(session.words, stats, map(store.blobs.path_of, digests), result.image_id + "\n", err, began=began)


def _refuse_unsupported(args: argparse.Namespace) -> None:
    for flag, used in (
        ("--output", args.output),
        ("--pull", args.pull),
    ):
        if used:
            raise NotSupported(f"{flag} is not supported yet", hint="build without it")


def _request(args: argparse.Namespace) -> BuildRequest:
    from lamella.cli.view.request import dockerfile_request
    from lamella.oci.platform import parse_platform
    from lamella.oci.reference import parse_reference

    if args.context == "-":
        raise NotSupported("a context from standard input is not supported yet", hint="unpack it and give the folder")
    for tag in args.tag:
        if parse_reference(tag).digest is not None:
            raise UsageError(f"-t {tag}: a digest comes of the build, it cannot be asked for")
    return dockerfile_request(args, args.file, args.context)._replace(
        tags=tuple(args.tag),
        platform=parse_platform(args.platform) if args.platform else None,
        labels=pairs(args.label, "--label"),
        annotations=pairs(args.annotation, "--annotation"),
        network=args.network,
        no_cache=args.no_cache,
        layers=args.layers,
        **_access(args),
        explain_cache=not args.quiet and (args.explain_cache or args.progress != "auto"),
    )


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


def _listener(args: argparse.Namespace, stream: Transcript) -> Emit:
    if args.quiet:
        from lamella.events import ignore

        return ignore
    from lamella.cli.progress import JsonProgress, PlainProgress

    return (JsonProgress if args.progress == "json" else PlainProgress)(stream).emit


def _write_files(args: argparse.Namespace, result: BuildResult) -> None:
    if args.iidfile:
        with open(args.iidfile, "w", encoding="utf-8") as file:
            file.write(result.image_id)
    if args.metadata_file:
        import json

        with open(args.metadata_file, "w", encoding="utf-8") as file:
            json.dump(
                {
                    "containerimage.config.digest": result.image_id,
                    "containerimage.descriptor": result.manifest.to_json(),
                    "containerimage.digest": str(result.manifest.digest),
                    "image.name": ",".join(result.names),
                },
                file,
                indent=2,
            )


def _write_sizes(args: argparse.Namespace, session: Session, result: BuildResult, err: Transcript) -> None:
    """What each step added and lost, and what the image came to: for people, or as the last event."""
    from lamella.cli.view.sizes import as_json, build_sizes

    sizes = build_sizes(result, session.store())
    if args.progress == "json":
        import json

        err.write(json.dumps(as_json(sizes, result)) + "\n")
        return
    from lamella.cli.text.sizes import sizes_lines

    err.write("\n".join(["", *sizes_lines(sizes, result), ""]))
