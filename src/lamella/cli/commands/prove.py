"""``lamella prove``."""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING

from lamella.cli.session import Session
from lamella.errors import UsageError

if TYPE_CHECKING:
    from lamella.prove.model import Proof
    from lamella.trial.verdict import Verdict

SUMMARY = "are two images, or what two Dockerfiles build, the same state?"
EXAMPLES = """lamella prove app:old app:new
lamella prove Dockerfile Dockerfile.fixed
lamella prove app:1 app:2 --noise app:1-again --ignore '/var/log/**' --format json"""


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("a", metavar="A", help="an image, a Dockerfile, or a folder with one")
    parser.add_argument("b", metavar="B", help="what to compare it with, of the same kind")
    parser.add_argument("--noise", metavar="IMAGE", help="a second build of A: where they differ does not count")
    parser.add_argument("--ignore", action="append", default=[], metavar="GLOB", help="leave these paths out")
    parser.add_argument("--build-arg", action="append", default=[], metavar="NAME=VALUE", help="set an ARG")
    parser.add_argument("--target", metavar="STAGE", help="build this stage of both Dockerfiles")
    parser.add_argument("--context", metavar="FOLDER", help="build context (default: each Dockerfile's folder)")
    parser.add_argument("--format", choices=("text", "json", "markdown"), default="text", help="how it is printed")
    parser.epilog = "exit code: 0 the same, 1 different. Dockerfiles are built: A twice,\n  for its noise, B once."


def run(args: argparse.Namespace, session: Session) -> int:
    a, b = _dockerfile(args.a), _dockerfile(args.b)
    if (a is None) != (b is None):
        file, image = (args.b, args.a) if a is None else (args.a, args.b)
        hint = "build the Dockerfile first, then compare two images"
        if os.path.isdir(file):
            hint += f"; to name an image that is called like the folder, write its tag: {file.rstrip('/')}:latest"
        raise UsageError(f"{file} is a Dockerfile and {image} an image", hint=hint)
    if a is not None and b is not None:
        return _prove_dockerfiles(args, a, b, session)
    return _prove_images(args, session)


def _dockerfile(text: str) -> str | None:
    """The Dockerfile's path, where ``text`` is one on disk or the folder of one; None for an image."""
    from lamella.cli.view.dockerfile import find_dockerfile

    return find_dockerfile(text)


def _prove_images(args: argparse.Namespace, session: Session) -> int:
    from lamella.cli.view.image import view_image
    from lamella.prove.compare import compare

    for flag, given in (("--build-arg", args.build_arg), ("--target", args.target), ("--context", args.context)):
        if given:
            raise UsageError(f"{flag} is for Dockerfiles; {args.a} and {args.b} are images", hint="leave it out")
    store = session.store()
    a, b = view_image(args.a, store).side(), view_image(args.b, store).side()
    noise = view_image(args.noise, store).side() if args.noise else None
    proof = compare(a, b, noise=noise, ignore=args.ignore)
    _print_proof(args, proof, session)
    return 0 if proof.same else 1


def _print_proof(args: argparse.Namespace, proof: Proof, session: Session) -> None:
    if args.format == "json":
        from lamella.prove.as_json import proof_to_json

        session.json(proof_to_json(proof))
        return
    from lamella.cli.text.proof import proof_lines, proof_markdown

    render = proof_markdown if args.format == "markdown" else proof_lines
    for line in render(proof, (args.a, args.b)):
        session.out(line)


def _prove_dockerfiles(args: argparse.Namespace, a: str, b: str, session: Session) -> int:
    from lamella.cli.fetching import Fetcher
    from lamella.cli.view.request import context_of, dockerfile_request
    from lamella.trial.hearing import try_two

    if args.noise:
        raise UsageError("--noise is for images; the first Dockerfile is built twice instead", hint="leave it out")
    first, second = (dockerfile_request(args, path, args.context or context_of(path)) for path in (a, b))
    pull = Fetcher(session.store(), None, session.emit)
    first, second = first._replace(pull=pull), second._replace(pull=pull)
    verdict = try_two(first, second, session.store(), session.emit, ignored=args.ignore)
    _print_verdict(args, verdict, session)
    return 0 if verdict.proven else 1


def _print_verdict(args: argparse.Namespace, verdict: Verdict, session: Session) -> None:
    if args.format == "json":
        from lamella.trial.verdict import verdict_to_json

        session.json(verdict_to_json(verdict))
        return
    from lamella.cli.text.verdict import verdict_lines, verdict_markdown

    render = verdict_markdown if args.format == "markdown" else verdict_lines
    for line in render(verdict, (args.a, args.b)):
        session.out(line)
