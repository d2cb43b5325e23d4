"""``lamella check``: advice on layers and size; nothing is changed."""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING

from lamella.cli.session import Session
from lamella.errors import LamellaError

if TYPE_CHECKING:
    from lamella.advice.report import FileReport

SUMMARY = "advice on layers and size; nothing is changed"
EXAMPLES = "lamella check\nlamella check docker/*.Dockerfile --fail-on info\nlamella check . --format json"

NO, BAD_INPUT = 1, 2


def configure(parser: argparse.ArgumentParser) -> None:
    from lamella.advice.protocol import SEVERITIES
    from lamella.advice.report import all_formats

    parser.add_argument("path", nargs="*", default=["."], metavar="PATH", help="a Dockerfile, or a folder with one")
    parser.add_argument("--format", choices=all_formats(), default="text", help="how findings are printed")
    parser.add_argument(
        "--fail-on", choices=SEVERITIES, default="warning", help="exit with 1 for findings as grave (default: warning)"
    )
    parser.add_argument("--target", metavar="STAGE", help="the stage that is built (default: the last)")
    parser.add_argument("--only", action="append", default=[], metavar="RULE", help="only this rule")
    parser.add_argument("--skip", action="append", default=[], metavar="RULE", help="all rules but this")


def run(args: argparse.Namespace, session: Session) -> int:
    from lamella.advice.report import FileReport, render
    from lamella.advice.runner import at_least, choose

    choose(args.only, args.skip)  # a misspelt rule is one mistake, not one for each file
    reports: list[FileReport] = []
    for path in args.path:
        try:
            reports.append(_check(path, args))
        except LamellaError as error:
            if len(args.path) == 1:
                raise
            reports.append(FileReport(path, error=(error.message, error.where, error.hint)))
            session.note(f"error: {error}" + (f"\n  hint: {error.hint}" if error.hint else ""))
    text = render(reports, args.format)
    if text:
        session.out(text)
    if any(report.error for report in reports):
        return BAD_INPUT
    return NO if at_least([one for report in reports for one in report.findings], args.fail_on) else 0


def _check(path: str, args: argparse.Namespace) -> FileReport:
    from lamella.advice.report import FileReport
    from lamella.advice.runner import advise
    from lamella.cli.dockerfile import read_dockerfile
    from lamella.syntax.parser import parse

    file = read_dockerfile(path, None) if os.path.isdir(path) else read_dockerfile(".", path)
    document = parse(file.text, file.name)
    return FileReport(file.name, advise(document, only=args.only, skip=args.skip, target=args.target))
