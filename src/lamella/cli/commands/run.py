"""``lamella run``."""

from __future__ import annotations

import argparse
import os
import sys
from typing import TYPE_CHECKING

from lamella.cli.session import Session

if TYPE_CHECKING:
    from lamella.container.streams import Attached
    from lamella.container.values import Container
    from lamella.oci.platform import Platform
    from lamella.store.locate import LocatedImage

SUMMARY = "run a program in a new container"
EXAMPLES = """lamella run -d -p 8008:8080 --name go-helloworld helloworld
lamella run --rm -it alpine sh
lamella run --rm -v ./src:/src:ro -w /src -e CI=1 golang go vet ./..."""
INTERMIXED = False


def configure(parser: argparse.ArgumentParser) -> None:
    from lamella.cli.registryoptions import add_progress_options, add_registry_options
    from lamella.cli.runoptions import add_run_options

    add_run_options(parser)
    add_progress_options(parser, "nothing is said of an image that is fetched")
    add_registry_options(parser)
    parser.add_argument("image", metavar="IMAGE", help="a name, an ID prefix, oci:DIR, docker-archive:FILE …")
    command = parser.add_argument(
        "command", nargs=argparse.REMAINDER, metavar="COMMAND …", help="in place of the image's CMD"
    )
    command.required = False  # argparse would ask for it where the image is missing


def run(args: argparse.Namespace, session: Session) -> int:
    from lamella.cli.runimage import open_run_image
    from lamella.cli.runoptions import asked_for
    from lamella.container.new import new_container
    from lamella.container.recover import recover
    from lamella.container.table import Table
    from lamella.runtime import find_runner
    from lamella.snapshot.namespace import enter_namespaces

    asked = asked_for(args)
    _check_streams(args)
    enter_namespaces()  # what comes of this process is inside, too
    find_runner(session.root, os.environ.get("LAMELLA_RUNTIME")).close()  # before anything is made
    table = Table(session.root)
    recover(table)
    with open_run_image(args, session, _platform(args.platform)) as located:
        container = new_container(asked, located.label, located.image.config)
        _check_platform(container)
        if container.ports and container.network != "bridge":
            session.note(f"warning: with --network {container.network} no port is published")
        return _run(args, session, table, container, located)


def _run(args: argparse.Namespace, session: Session, table: object, container: Container, located: LocatedImage) -> int:
    from lamella.container.attach import follow_container, wait_started
    from lamella.container.monitor import Job
    from lamella.container.network import take_ports
    from lamella.container.start import start_monitor
    from lamella.container.table import Table
    from lamella.container.values import STARTING, State

    assert isinstance(table, Table)
    ports = take_ports(container)
    cidfile = _open_cidfile(args.cidfile)
    try:
        folder, lock, container = table.create(container, State(STARTING))
    except BaseException:
        if cidfile is not None:
            os.unlink(args.cidfile)
        raise
    if cidfile is not None:
        with os.fdopen(cidfile, "w") as file:
            file.write(container.id)
    runtime = os.environ.get("LAMELLA_RUNTIME")
    job = Job(session.root, folder, container, located.image, located.blobs, runtime, ports)
    attached = None if args.detach else _attached(args)
    channel = start_monitor(job, lock, attached)

    def started(note: str) -> None:
        """The image is unpacked: for as long as the container runs the store is let go."""
        if note:
            session.note(f"note: {note}")
        located.close()
        session.close()

    if attached is None:
        started(wait_started(channel))
        session.out(container.id)
        return 0
    return follow_container(channel, 0 if args.tty and args.interactive else -1, started)


def _attached(args: argparse.Namespace) -> Attached:
    from lamella.container.streams import Attached, get_size, settings_of

    size = next((size for number in (0, 1, 2) if (size := get_size(number)) != (0, 0)), (0, 0)) if args.tty else (0, 0)
    settings = settings_of(0) if args.tty and args.interactive else ()
    return Attached(0 if args.interactive else -1, 1, 2, size, settings)


def _check_streams(args: argparse.Namespace) -> None:
    from lamella.errors import UsageError

    if args.tty and args.interactive and not args.detach and not sys.stdin.isatty():
        raise UsageError("-it: standard input is no terminal", hint="leave -t out, so that what is piped in goes in")


def _platform(text: str | None) -> Platform | None:
    from lamella.oci.platform import parse_platform

    return parse_platform(text) if text else None


def _check_platform(container: Container) -> None:
    from lamella.oci.platform import parse_platform
    from lamella.runtime.binfmt import require_platform

    require_platform(parse_platform(container.platform), container.image)


def _open_cidfile(path: str | None) -> int | None:
    from lamella.errors import InputError

    if path is None:
        return None
    try:
        return os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise InputError(f"--cidfile: the file cannot be made ({error.strerror})", where=path) from None
