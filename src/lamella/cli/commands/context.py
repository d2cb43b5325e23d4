"""``lamella context``."""

from __future__ import annotations

import argparse

from lamella.cli.session import Session

SUMMARY = "what the build context holds, what is left out of it, and which line uses what"
EXAMPLES = """lamella context
lamella context --unused
lamella context -f docker/app.Dockerfile --target test --format json ."""


def configure(parser: argparse.ArgumentParser) -> None:
    from lamella.cli.dockerfile import add_dockerfile_options

    parser.add_argument("path", nargs="?", default=".", metavar="PATH", help="the folder of the build context")
    add_dockerfile_options(parser)
    parser.add_argument("--unused", action="store_true", help="only the files that no instruction uses")
    parser.add_argument("--format", choices=("text", "json"), default="text", help="how it is printed")


def run(args: argparse.Namespace, session: Session) -> int:
    from lamella.cli.view.context import view_context
    from lamella.cli.view.request import dockerfile_request

    view = view_context(dockerfile_request(args, args.file, args.path), session)
    for warning in view.warnings:
        session.note(f"warning: {warning.where}: {warning.message}")
    if args.format == "json":
        from lamella.cli.text.context import context_to_json

        session.json(context_to_json(view, only_unused=args.unused))
        return 0
    from lamella.cli.text.context import context_lines

    for line in context_lines(view, only_unused=args.unused):
        session.out(line)
    return 0
