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
    from lamella.cli.chosen import each, tidy_table
    from lamella.container.volumes import Volumes

    table, volumes = tidy_table(session), Volumes(session.root)
    return each(session, args.volume, lambda name: volumes.remove(name, table))
