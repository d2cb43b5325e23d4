"""``lamella stop``."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from lamella.cli.session import Session

if TYPE_CHECKING:
    from lamella.container.folder import Folder
    from lamella.container.table import Table

SUMMARY = "stop running containers: the stop signal first, then the hard way"
EXAMPLES = """lamella stop go-helloworld
lamella stop --time 1 web db"""


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("container", nargs="+", metavar="CONTAINER", help="a name, an ID or its beginning")
    parser.add_argument("-t", "--time", type=int, metavar="SECONDS", help="until SIGKILL; else what run said, or 10")


def run(args: argparse.Namespace, session: Session) -> int:
    from lamella.cli.chosen import each_container
    from lamella.container.stop import stop_container

    def stop(table: Table, folder: Folder) -> None:
        container = folder.container()
        stop_container(folder, container, container.stop_timeout if args.time is None else args.time)

    return each_container(session, args.container, stop, together=True)
