"""``lamella explain``."""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING

from lamella.cli.session import Session
from lamella.errors import InputError, NotFound, UsageError

if TYPE_CHECKING:
    from lamella.insight.stack import Stack
    from lamella.insight.waste import Waste

SUMMARY = "the layer stack of a Dockerfile (predicted) or an image (measured)"
EXAMPLES = """lamella explain
lamella explain -f docker/app.Dockerfile --target test --dialect kaniko .
lamella explain app:latest
lamella explain --format json oci-archive:app.tar"""
DIALECTS = ("buildkit", "classic", "buildah", "buildah-layers", "kaniko")


def configure(parser: argparse.ArgumentParser) -> None:
    from lamella.cli.dockerfile import add_dockerfile_options

    parser.add_argument(
        "what", nargs="?", default=".", metavar="PATH|IMAGE", help="a Dockerfile, a folder with one, or an image"
    )
    add_dockerfile_options(parser)
    parser.add_argument("--dialect", choices=DIALECTS, help="whose rules decide what makes a layer (buildkit)")
    parser.add_argument("--format", choices=("text", "json"), default="text", help="how it is printed")


def run(args: argparse.Namespace, session: Session) -> int:
    from lamella.cli.view.dockerfile import find_dockerfile

    dockerfile = args.file or find_dockerfile(args.what)
    if dockerfile is None:
        return _explain_image(args, session)
    from lamella.cli.fetching import Fetcher
    from lamella.cli.view.prediction import predict_stack
    from lamella.cli.view.request import context_of, dockerfile_request

    request = dockerfile_request(args, dockerfile, context_of(args.what))
    request = request._replace(pull=Fetcher(session.store(), None, session.emit))
    _print(args, predict_stack(request, args.dialect or DIALECTS[0], session), None, session)
    return 0


def _explain_image(args: argparse.Namespace, session: Session) -> int:
    from lamella.cli.view.image import stack_of, view_image
    from lamella.insight.waste import measure_waste
    from lamella.prove.open import layer_names

    for flag in ("--target", "--build-arg", "--build-context", "--dialect"):
        if getattr(args, flag.removeprefix("--").replace("-", "_")):
            raise UsageError(
                f"{flag} is for a Dockerfile; {args.what} is taken for an image",
                hint="name the Dockerfile with -f, or leave the flag out",
            )
    store = session.store()
    try:
        viewed = view_image(args.what, store)
    except NotFound:
        if not os.path.isdir(args.what) or os.path.isfile(f"{args.what}/oci-layout"):
            raise
        raise InputError(
            "there is no Dockerfile in this folder, and no image has its name",
            where=args.what,
            hint="name the Dockerfile with -f; `lamella image ls` shows the images",
        ) from None
    _print(args, stack_of(viewed, store), measure_waste(viewed.contents, layer_names(viewed.image)), session)
    return 0


def _print(args: argparse.Namespace, stack: Stack, waste: Waste | None, session: Session) -> None:
    if args.format == "json":
        from lamella.insight.as_json import stack_to_json

        session.json(stack_to_json(stack, waste))
        return
    from lamella.cli.text.stack import stack_lines
    from lamella.cli.text.waste import waste_lines

    for line in stack_lines(stack):
        session.out(line)
    if waste is not None:
        session.out()
        for line in waste_lines(waste):
            session.out(line)
