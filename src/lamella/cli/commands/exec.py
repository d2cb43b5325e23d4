"""``lamella exec``."""

from __future__ import annotations

import argparse
import os
import sys

from lamella.cli.session import Session

SUMMARY = "run one more program in a running container"
EXAMPLES = """lamella exec -it web sh
lamella exec -u postgres -e PGUSER=app db psql -c 'select 1'"""
INTERMIXED = False


def configure(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("-d", "--detach", action="store_true", help="leave it running")
    add("-i", "--interactive", action="store_true", help="hand standard input on")
    add("-t", "--tty", action="store_true", help="give it a terminal")
    add("-e", "--env", action="append", default=[], metavar="NAME[=VALUE]", help="a variable more")
    add("--env-file", action="append", default=[], metavar="FILE", help="variables, a line each")
    add("-w", "--workdir", metavar="DIR", help="the working directory")
    add("-u", "--user", metavar="USER[:GROUP]", help="who runs it, by name or number")
    add("--privileged", action="store_true", help="all capabilities")
    add("container", metavar="CONTAINER", help="a name, an ID or its beginning")
    add("command", nargs=argparse.REMAINDER, metavar="COMMAND …", help="the program and its arguments")


def run(args: argparse.Namespace, session: Session) -> int:
    from lamella.cli.runoptions import environment
    from lamella.container.execute import Execution, execute
    from lamella.container.recover import recover
    from lamella.container.table import Table
    from lamella.container.values import RUNNING
    from lamella.errors import UsageError
    from lamella.runtime.find import find_runtime
    from lamella.userns import join

    if not args.command:
        raise UsageError("nothing says which program to run", hint=f"lamella exec {args.container} PROGRAM …")
    if args.tty and args.interactive and not args.detach and not sys.stdin.isatty():
        raise UsageError("-it: standard input is no terminal", hint="leave -t out, so that what is piped in goes in")
    table = Table(session.root)
    recover(table)
    asked = Execution(
        tuple(args.command),
        environment(args.env, args.env_file),
        args.workdir,
        args.user,
        args.tty,
        args.interactive,
        args.detach,
        args.privileged,
    )
    folder = table.find(args.container)
    state = folder.state()
    if state.status == RUNNING and folder.watched():
        join(state.monitor)  # a user's containers are in a namespace of their monitor's
    return execute(folder, find_runtime(os.environ.get("LAMELLA_RUNTIME")), asked)
