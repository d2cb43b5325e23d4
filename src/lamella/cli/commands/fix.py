"""``lamella fix``."""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING

from lamella.cli.session import Session
from lamella.errors import InputError, UsageError

if TYPE_CHECKING:
    from lamella.build.request import BuildRequest
    from lamella.rewrite.protocol import Scope
    from lamella.rewrite.runner import Rewrite
    from lamella.trial.verdict import Verdict

SUMMARY = "rewrite a Dockerfile for fewer layers and bytes; --prove builds both and compares"
EXAMPLES = """lamella fix
lamella fix --prove
lamella fix --write --prove docker/app.Dockerfile
lamella fix --only join-runs --format json ."""


def configure(parser: argparse.ArgumentParser) -> None:
    from lamella.cli.dockerfile import add_dockerfile_options

    parser.add_argument("path", nargs="?", default=".", metavar="PATH", help="a Dockerfile, or the folder with one")
    add_dockerfile_options(parser)
    parser.add_argument("--write", action="store_true", help="write the file in place (with --prove: if proven)")
    parser.add_argument("--only", action="append", default=[], metavar="RULE", help="fix this alone")
    parser.add_argument("--skip", action="append", default=[], metavar="RULE", help="leave this one out")
    parser.add_argument("--unsafe", action="store_true", help="also what may change the meaning")
    parser.add_argument("--prove", action="store_true", help="build original and rewritten, and compare")
    parser.add_argument("--ignore", action="append", default=[], metavar="GLOB", help="paths the proof leaves out")
    parser.add_argument("--format", choices=("text", "json", "markdown"), default="text", help="how it is printed")
    parser.epilog = "exit code: 0 rewritten (and proven, if asked) or nothing to do,\n  1 the proof says different"


def run(args: argparse.Namespace, session: Session) -> int:
    from lamella.rewrite.difftext import unified_diff
    from lamella.rewrite.runner import rewrite
    from lamella.syntax.parser import parse

    request = _request(args)
    scope = _scope(request, session)
    done = rewrite(parse(request.text, request.name), args.only, args.skip, args.unsafe, scope)
    diff = unified_diff(request.text, done.text, request.name)
    if args.format == "text":
        _tell_changes(done, diff, session)
    verdict = _prove(args, request, done, session) if args.prove and done.changed else None
    proven = verdict is None or verdict.proven
    if args.write:
        _write(request, done, proven, session)
    _report(args, done, diff, verdict, session)
    return 0 if proven else 1


def _request(args: argparse.Namespace) -> BuildRequest:
    from lamella.cli.view.dockerfile import find_dockerfile
    from lamella.cli.view.request import context_of, dockerfile_request

    if args.file == "-" and args.write:
        raise UsageError("standard input cannot be written in place", hint="leave --write out, and take the diff")
    dockerfile = args.file or find_dockerfile(args.path)
    if dockerfile is None:
        raise InputError("there is no Dockerfile here", where=args.path, hint="name the file, or the folder it is in")
    return dockerfile_request(args, dockerfile, context_of(args.path))


def _scope(request: BuildRequest, session: Session) -> Scope:
    """The stage that is built, and the shell of its base image where the store has that."""
    from lamella.rewrite.protocol import Scope

    scope = Scope(target=request.target)
    if not os.path.isdir(session.root):
        return scope
    from lamella.cli.view.baseshell import shell_of_base

    shell = shell_of_base(request, session.store())
    return scope if shell is None else scope._replace(shell=shell)


def _prove(args: argparse.Namespace, request: BuildRequest, done: Rewrite, session: Session) -> Verdict:
    from lamella.cli.fetching import Fetcher
    from lamella.trial.hearing import try_rewrite
    from lamella.trial.verdict import Rewritten

    history = tuple((stage.pass_name, stage.text) for stage in done.history)
    request = request._replace(pull=Fetcher(session.store(), None, session.emit))
    rewritten = Rewritten(request.text, done.text, history, done.declared)
    return try_rewrite(rewritten, request, session.store(), session.emit, ignored=args.ignore)


def _tell_changes(done: Rewrite, diff: str, session: Session) -> None:
    """The diff on stdout; what was changed, what was left alone and why on stderr."""
    from lamella.cli.text.rewrite import change_lines

    if done.changed:
        session.out(diff.removesuffix("\n"))
    else:
        session.note("nothing to fix")
    for line in change_lines(done):
        session.note(line)


def _report(args: argparse.Namespace, done: Rewrite, diff: str, verdict: Verdict | None, session: Session) -> None:
    lines: list[str] = []
    if args.format == "json":
        from lamella.cli.text.rewrite import rewrite_to_json
        from lamella.trial.verdict import verdict_to_json

        proof = verdict_to_json(verdict) if verdict is not None else None
        written = bool(args.write and done.changed and (verdict is None or verdict.proven))
        session.json(rewrite_to_json(done, diff) | {"written": written, "proof": proof})
    elif args.format == "markdown":
        lines += ["```diff", diff.removesuffix("\n"), "```", ""] if done.changed else ["Nothing to fix."]
    if verdict is not None and args.format != "json":
        from lamella.cli.text.verdict import verdict_lines, verdict_markdown

        lines += verdict_markdown(verdict) if args.format == "markdown" else ["", *verdict_lines(verdict)]
    for line in lines:
        session.out(line)


def _write(request: BuildRequest, done: Rewrite, proven: bool, session: Session) -> None:
    """In place, and only what was proven where a proof was asked for."""
    from lamella.cli.view.inplace import replace_text

    if not done.changed:
        return
    if not proven:
        session.note(f"{request.name}: not written, the proof says different")
        return
    replace_text(request.dockerfile or request.name, request.text, done.text)
    session.note(f"{request.name}: written")
