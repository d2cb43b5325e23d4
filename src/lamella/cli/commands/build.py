"""``lamella build``."""

from __future__ import annotations

import argparse
import os
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
    from lamella.oci.platform import Platform

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
    parser.add_argument("--pull", action="store_true", help="look for newer base images (in the store only, yet)")
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


def run(args: argparse.Namespace, session: Session) -> int:
    began = time.time_ns()
    if args.context == "-":
        from lamella.cli.stdin import read_stdin
        from lamella.cli.view.request import source_request

        with read_stdin(session.store(), args.file) as source:
            request = source_request(args, source.dockerfile)._replace(unpacked=source.tree)
            return _build(args, session, _with_options(args, request), began)
    if _is_address(args.context):
        from lamella.cli.remote import read_remote
        from lamella.cli.view.request import source_request

        with read_remote(args.context, session.store(), args.file, args.build_arg) as source:
            request = source_request(args, source.dockerfile)._replace(unpacked=source.tree)
            return _build(args, session, _with_options(args, request), began)
    from lamella.cli.view.request import dockerfile_request

    request = dockerfile_request(args, args.file, args.context)
    return _build(args, session, _with_options(args, request), began)


def _is_address(context: str) -> bool:
    """Whether it is no folder, but something to be fetched."""
    if context.startswith("github.com/"):
        return not os.path.exists(context)
    return context.startswith(("http://", "https://", "git://", "ssh://", "git@"))


def _build(args: argparse.Namespace, session: Session, request: BuildRequest, began: int) -> int:
    """``began`` is when the command did, before it read anything (ns since the epoch)."""
    from lamella.build.engine import build

    err = Transcript(sys.stderr)
    emit = _listener(args, err)
    if args.pull:
        from lamella.events import Note

        emit(Note("info", "--pull: base images come from the local store alone by this version"))
    platforms = _platforms(args)
    if len(platforms) > 1:
        from lamella.build.platforms import build_platforms

        result = build_platforms(request, platforms, session.store(), emit)
    else:
        result = build(request, session.store(), emit)
    _write_files(args, result)
    if not args.quiet:
        _write_sizes(args, session, result, err)
    sys.stderr.flush()
    if result.is_image and all(output.stream is None for output in request.outputs):
        session.out(result.image_id)
    from_files = not (args.output or result.is_index or result.asked_elsewhere)
    if from_files and all(step.cached for step in result.steps) and may_record(session.words):
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
    from lamella.build.engine import ignore_candidates

    store = session.store()
    if session.root != default_root() or request.dockerfile is None or request.context is None:
        return
    if request.unpacked is not None or any(value.startswith("oci-layout:") for _, value in request.named_contexts):
        return  # what came from elsewhere is not looked at
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


def _with_options(args: argparse.Namespace, request: BuildRequest) -> BuildRequest:
    """The request with what ``build`` alone takes."""
    from lamella.oci.reference import parse_reference

    platforms = _platforms(args)
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


def _platforms(args: argparse.Namespace) -> tuple[Platform, ...]:
    """Each once; ``local`` is this machine's. Raises InputError, NotSupported."""
    if not args.platform:
        return ()
    from lamella.oci.platform import normalize_platform, parse_platform

    host = normalize_platform("linux", os.uname().machine)
    words = [word.strip() for text in args.platform for word in text.split(",")]
    found = tuple(dict.fromkeys(host if word == "local" else parse_platform(word) for word in words))
    for platform in found:
        if platform.os != "linux":
            raise NotSupported(f"--platform {platform}: images are built for Linux only", hint="write linux/amd64")
    return found


def _listener(args: argparse.Namespace, stream: Transcript) -> Emit:
    if args.quiet:
        from lamella.events import ignore

        return ignore
    from lamella.cli.progress import JsonProgress, PlainProgress

    return (JsonProgress if args.progress == "json" else PlainProgress)(stream).emit


def _write_files(args: argparse.Namespace, result: BuildResult) -> None:
    if args.iidfile:
        _put(args.iidfile, result.image_id)
    if args.metadata_file:
        import json

        _put(args.metadata_file, json.dumps(_metadata(result), indent=2))


def _metadata(result: BuildResult) -> dict[str, object]:
    """buildx's keys; none where no image was asked for."""
    if not result.is_image:
        return {}
    data: dict[str, object] = {
        "containerimage.descriptor": result.manifest.to_json(),
        "containerimage.digest": str(result.manifest.digest),
    }
    if not result.is_index:
        data["containerimage.config.digest"] = result.image_id
    if result.names:
        from lamella.oci.reference import parse_reference

        data["image.name"] = ",".join(str(parse_reference(name)) for name in result.names)
    return data


def _put(path: str, text: str) -> None:
    from lamella.store.disk import replacing

    with replacing(path, "write the file") as file:
        file.write(text.encode())


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
