"""``lamella logs``."""

from __future__ import annotations

import argparse
import sys

from lamella.cli.session import Session

SUMMARY = "what a container has written"
EXAMPLES = """lamella logs go-helloworld
lamella logs -f --tail 20 -t web"""

_DIGITS = 15  # no log has so many lines


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("container", metavar="CONTAINER", help="a name, an ID or its beginning")
    parser.add_argument("-f", "--follow", action="store_true", help="go on until the container ends")
    parser.add_argument("-n", "--tail", default="all", metavar="NUMBER", help="only so many lines of its end")
    parser.add_argument("--since", metavar="TIME", help="only what is younger: 10m, or 2026-01-02T13:00:00Z")
    parser.add_argument("--until", metavar="TIME", help="only what is older")
    parser.add_argument("-t", "--timestamps", action="store_true", help="with the time before each line")


def run(args: argparse.Namespace, session: Session) -> int:
    from lamella.cli.moments import parse_moment
    from lamella.container.logread import read_log
    from lamella.container.recover import recover
    from lamella.container.table import Table

    tail = _tail(args.tail)
    since = parse_moment(args.since, "--since") if args.since else ""
    until = parse_moment(args.until, "--until") if args.until else ""
    table = Table(session.root)
    recover(table)
    folder = table.find(args.container)
    outputs = {1: sys.stdout.buffer, 2: sys.stderr.buffer}
    for record in read_log(folder, tail=tail, follow=folder.watched if args.follow else None):
        if record.time < since or (until and record.time > until):
            continue
        output = outputs[record.stream]
        output.write((record.time.encode() + b" " if args.timestamps else b"") + record.data)
        if args.follow:
            output.flush()
    for output in outputs.values():
        output.flush()
    return 0


def _tail(text: str) -> int | None:
    from lamella.errors import UsageError

    if text == "all":
        return None
    if not (text.isascii() and text.isdigit()):
        raise UsageError(f"--tail {text}: this is no number of lines", hint="a number, or all")
    digits = text.lstrip("0")
    return int(digits or "0") if len(digits) <= _DIGITS else None
