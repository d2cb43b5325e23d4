"""``lamella rm``."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from lamella.cli.session import Session

if TYPE_CHECKING:
    from lamella.container.folder import Folder
    from lamella.container.table import Table

SUMMARY = "remove containers that have ended"
EXAMPLES = """lamella rm go-helloworld
lamella rm -f $(lamella ps -aq)"""


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("container", nargs="+", metavar="CONTAINER", help="a name, an ID or its beginning")
    parser.add_argument("-f", "--force", action="store_true", help="kill it first where it runs")
    parser.add_argument("-v", "--volumes", action="store_true", help="Docker's flag: unnamed volumes go anyway")


def run(args: argparse.Namespace, session: Session) -> int:
    from lamella.cli.chosen import each_container
    from lamella.container.stop import remove_container

    def remove(table: Table, folder: Folder) -> None:
        remove_container(table, folder, force=args.force)

    return each_container(session, args.container, remove)
