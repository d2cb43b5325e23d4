"""``lamella volume ls``."""

from __future__ import annotations

import argparse

from lamella.cli.session import Session

SUMMARY = "the volumes of containers"
EXAMPLES = """lamella volume ls
lamella volume ls -q --dangling
lamella volume ls --format json"""


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-q", "--quiet", action="store_true", help="only the names")
    parser.add_argument("--dangling", action="store_true", help="only those that no container has")
    parser.add_argument("--format", choices=("text", "json"), default="text", help="how it is printed")


def run(args: argparse.Namespace, session: Session) -> int:
    from lamella.cli.text.docker import docker_table
    from lamella.container.recover import recover
    from lamella.container.table import Table
    from lamella.container.volumes import Volumes

    table, volumes = Table(session.root), Volumes(session.root)
    recover(table)
    found = {name: volumes.users(name, table) for name in volumes.names()}
    if args.dangling:
        found = {name: users for name, users in found.items() if not users}
    if args.format == "json":
        listed = [{"name": name, "containers": users} for name, users in found.items()]
        session.json({"schema": 1, "volumes": listed})
    elif args.quiet:
        for name in found:
            session.out(name)
    else:
        cells = [("VOLUME NAME", "CONTAINERS")]
        cells += [(name, ", ".join(user[:12] for user in users)) for name, users in found.items()]
        for line in docker_table(cells):
            session.out(line)
    return 0
