"""``lamella wait``."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from lamella.cli.session import Session

if TYPE_CHECKING:
    from lamella.container.folder import Folder
    from lamella.container.table import Table

SUMMARY = "wait until containers have ended, and print their exit statuses"
EXAMPLES = "lamella wait worker"


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("container", nargs="+", metavar="CONTAINER", help="a name, an ID or its beginning")


def run(args: argparse.Namespace, session: Session) -> int:
    from lamella.cli.chosen import each_container
    from lamella.container.stop import wait_for_end

    def wait(table: Table, folder: Folder) -> str:
        return str(wait_for_end(folder))

    return each_container(session, args.container, wait)
