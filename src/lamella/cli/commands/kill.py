"""``lamella kill``."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from lamella.cli.session import Session

if TYPE_CHECKING:
    from lamella.container.folder import Folder
    from lamella.container.table import Table

SUMMARY = "send a signal to running containers"
EXAMPLES = """lamella kill go-helloworld
lamella kill --signal HUP web"""


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("container", nargs="+", metavar="CONTAINER", help="a name, an ID or its beginning")
    parser.add_argument("-s", "--signal", default="KILL", metavar="SIGNAL", help="KILL where nothing is said")


def run(args: argparse.Namespace, session: Session) -> int:
    from lamella.cli.chosen import each_container
    from lamella.container.signals import parse_signal
    from lamella.container.stop import send_signal

    number = parse_signal(args.signal)

    def kill(table: Table, folder: Folder) -> None:
        send_signal(folder, number)

    return each_container(session, args.container, kill)
