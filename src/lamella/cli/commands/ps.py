"""``lamella ps``."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from lamella.cli.session import Session

if TYPE_CHECKING:
    from lamella.container.values import Container, State

SUMMARY = "the containers that run"
EXAMPLES = """lamella ps
lamella ps -a --format json
lamella ps -q --filter name=web"""
_HEADING = ("CONTAINER ID", "IMAGE", "COMMAND", "CREATED", "STATUS", "PORTS", "NAMES")
_COMMAND_WIDTH = 20


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-a", "--all", action="store_true", help="those that have ended, too")
    parser.add_argument("-q", "--quiet", action="store_true", help="only the IDs")
    parser.add_argument("-n", "--last", type=int, default=-1, metavar="NUMBER", help="only the last so many, of all")
    parser.add_argument("-l", "--latest", action="store_true", help="only the last one, of all")
    parser.add_argument("-f", "--filter", action="append", default=[], metavar="WHAT=VALUE", help="name, id, status, …")
    parser.add_argument("--no-trunc", action="store_true", help="nothing is shortened")
    parser.add_argument("--format", choices=("text", "json"), default="text", help="how it is printed")


def run(args: argparse.Namespace, session: Session) -> int:
    from lamella.cli.containerfilter import parse_filters
    from lamella.container.recover import recover
    from lamella.container.table import Table
    from lamella.container.values import RUNNING

    wanted = parse_filters(args.filter)
    table = Table(session.root)
    recover(table)
    last = 1 if args.latest else args.last
    everything = args.all or last > 0 or wanted.by_status
    rows = [
        (container, state)
        for _, container, state in table.list()
        if (everything or state.status == RUNNING) and wanted(container, state)
    ]
    rows = rows[:last] if last > 0 else rows
    if args.format == "json":
        session.json({"schema": 1, "containers": [_as_json(container, state) for container, state in rows]})
    elif args.quiet:
        for container, _ in rows:
            session.out(container.id if args.no_trunc else container.short)
    else:
        _print(session, rows, args.no_trunc)
    return 0


def _print(session: Session, rows: list[tuple[Container, State]], whole: bool) -> None:
    import time

    from lamella.cli.text.columns import one_line
    from lamella.cli.text.docker import docker_age, docker_status, docker_table, quoted_command
    from lamella.runtime.ports import describe_ports

    now = time.time_ns()
    cells: list[tuple[str, ...]] = [_HEADING]
    for container, state in rows:
        command = " ".join(container.args)
        if not whole and len(command) > _COMMAND_WIDTH:
            command = command[: _COMMAND_WIDTH - 1] + "…"
        cells.append(
            (
                container.id if whole else container.short,
                one_line(container.image),
                quoted_command(command),
                docker_age(container.created, now),
                docker_status(state, now),
                describe_ports(state.ports, container.exposed) if state.status == "running" else "",
                container.name,
            )
        )
    for line in docker_table(cells):
        session.out(line)


def _as_json(container: Container, state: State) -> dict[str, Any]:
    from lamella.store.instant import format_instant

    return {
        "id": container.id,
        "name": container.name,
        "image": container.image,
        "image_id": container.image_id,
        "command": list(container.args),
        "created": format_instant(container.created),
        "status": state.status,
        "health": state.health or None,
        "pid": state.pid or None,
        "started": format_instant(state.started) if state.started else None,
        "finished": format_instant(state.finished) if state.finished else None,
        "exit_code": state.exit_code if state.finished else None,
        "error": state.error or None,
        "network": container.network,
        "addresses": list(state.addresses),
        "ports": [
            {
                "address": port.address,
                "host": port.host,
                "container": port.container,
                "protocol": port.protocol,
            }
            for port in state.ports
        ],
        "mounts": [
            {"type": one.kind, "source": one.source, "target": one.target, "readonly": one.readonly}
            for one in container.mounts
        ],
        "labels": dict(container.labels),
    }
