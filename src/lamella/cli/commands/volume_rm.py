"""``lamella volume rm``."""

from __future__ import annotations

import argparse

from lamella.cli.session import Session

SUMMARY = "remove volumes that no container has"
EXAMPLES = """lamella volume rm data
lamella volume rm $(lamella volume ls -q --dangling)"""


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("volume", nargs="+", metavar="VOLUME", help="its name")


def run(args: argparse.Namespace, session: Session) -> int:
    from lamella.container.recover import recover
    from lamella.container.table import Table
    from lamella.container.volumes import Volumes
    from lamella.errors import LamellaError

    table, volumes = Table(session.root), Volumes(session.root)
    recover(table)
    failed: list[LamellaError] = []
    for name in args.volume:  # as in Docker, what goes wrong with one stops no other
        try:
            volumes.remove(name, table)
        except LamellaError as error:
            failed.append(error)
        else:
            session.out(name)
    for earlier in failed[:-1]:
        session.note(f"error: {earlier}")
    if failed:
        raise failed[-1]
    return 0
