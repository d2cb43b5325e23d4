"""The benchmark: every work of ``works/``, all tools in turns, medians and ratios of one run.

    make bench
    .venv/bin/python bench/run.py --rounds 7 --only five-runs --json figures.json

Wall time of the whole process is measured, start-up included, as a user waits for it. Tools take turns (A B C A B C …),
so that a slow moment of the machine hits all of them. Nothing is asserted: targets are shown beside the figures.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import pkgutil
import shutil
import statistics
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack

import works
from base import base_rootfs
from bench_room import Room
from machine import machine_line, version_of
from measure import Case, CommandFailed, Sample, measure
from peers import Buildah, Builder, Docker, Dockerd, Lamella, Unavailable, find_lamella, find_program, newer_docker
from report import Result, as_json, print_result

BASE = "alpine:3.20"


def main() -> int:
    args = parse_arguments()
    if os.geteuid() != 0:
        print("error: the benchmark starts a dockerd and builds images: run it as root", file=sys.stderr)
        return 3
    folder = tempfile.mkdtemp(prefix="lamella-bench-")
    daemon = Dockerd(os.path.join(folder, "docker"))
    opened = ExitStack()
    try:
        room = furnish(folder, daemon, set(args.without), opened)
        return run(room, daemon, args)
    except (Unavailable, CommandFailed) as error:
        print(f"error: {error}", file=sys.stderr)
        return 3
    finally:
        opened.close()
        daemon.stop()
        clear(folder)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measures Lamella and its peers in one run.")
    parser.add_argument("--rounds", type=int, default=5, help="measured rounds, after one that is thrown away")
    parser.add_argument("--only", default="", help="only cases whose name holds this word")
    parser.add_argument(
        "--without", action="append", default=[], metavar="TOOL", help="lamella, docker, docker26 or buildah"
    )
    parser.add_argument("--json", metavar="FILE", help="also write every sample here")
    return parser.parse_args()


def furnish(folder: str, daemon: Dockerd, without: set[str], opened: ExitStack) -> Room:
    """Starts what is there; a tool that is missing is named, not passed over."""
    builders: list[Builder] = []
    missing: list[str] = []
    if "lamella" not in without:
        builders.append(Lamella(find_lamella(), os.path.join(folder, "lamella")))
    for name in ("docker", "docker26", "buildah"):
        if name in without:
            missing.append(f"{name}: left out by --without")
            continue
        try:
            builders += start(name, folder, daemon, opened)
        except Unavailable as error:
            missing.append(f"{name}: {error}")
    for name, work in (("docker-registry", "push and pull"), ("skopeo", "push and pull"), ("podman", "run")):
        try:
            find_program(name)
        except Unavailable as error:
            missing.append(f"{work}: {error}")
    rootfs, origin = base_rootfs(folder)
    for builder in builders:
        builder.load_base(rootfs, BASE)
    print_head(folder, builders, missing, origin)
    return Room(folder, BASE, tuple(builders), tuple(missing))


def start(name: str, folder: str, daemon: Dockerd, opened: ExitStack) -> list[Builder]:
    if name == "docker":
        return [daemon.start()]
    if name == "docker26":
        return [newer_docker(os.path.join(folder, "docker26"), opened)]
    program = find_program("buildah")
    store = os.path.join(folder, "buildah")
    return [Buildah(program, store, layered=False), Buildah(program, store, layered=True)]


def print_head(folder: str, builders: list[Builder], missing: list[str], origin: str) -> None:
    print(machine_line(folder))
    versions = []
    for builder in builders:
        if isinstance(builder, Lamella):
            versions.append("lamella " + version_of([builder.program, "--version"]))
        elif isinstance(builder, Docker):
            versions.append(f"docker {builder.version()} with BuildKit")
        elif isinstance(builder, Buildah) and not builder.layered:
            versions.append("buildah " + version_of([builder.program, "--version"]))
    print(", ".join(versions))
    print(f"base: {BASE}, from {origin}")
    for line in missing:
        print(f"left out: {line}")
    print(flush=True)


def run(room: Room, daemon: Dockerd, args: argparse.Namespace) -> int:
    results = []
    for case in all_cases(room):
        if args.only in case.key:
            results.append(measure_case(case, room, daemon, args.rounds))
            print_result(results[-1])
    if args.json:
        with open(args.json, "w", encoding="utf-8") as file:
            json.dump(as_json(results, machine_line(room.folder)), file, indent=2)
            file.write("\n")
    if not results:
        print(f"error: no case is called {args.only!r}", file=sys.stderr)
        return 2
    return 0


def all_cases(room: Room) -> Iterator[Case]:
    for module in sorted(pkgutil.iter_modules(works.__path__), key=lambda module: module.name):
        yield from importlib.import_module(f"works.{module.name}").cases(room)


def measure_case(case: Case, room: Room, daemon: Dockerd, rounds: int) -> Result:
    """One round that is thrown away (it also fills the caches of the cached cases), then ``rounds`` that count."""
    samples: dict[str, list[Sample]] = {contender.name: [] for contender in case.contenders}
    daemon_peak = 0
    for turn in range(rounds + 1):
        for contender in case.contenders:
            if contender.before:
                contender.before()
            os.sync()  # nobody waits for what the one before has still to write
            daemon.reset_peak()
            sample = measure(contender.command, os.path.join(room.folder, "log"))
            if turn:
                samples[contender.name].append(sample)
                daemon_peak = max(daemon_peak, daemon.peak() if contender.name == "docker" else 0)
    medians = {name: statistics.median(s.seconds for s in taken) for name, taken in samples.items()}
    return Result(case, samples, medians, daemon_peak)


def clear(folder: str) -> None:
    """Buildah and dockerd leave mounts of their own storage in place."""
    from subprocess import run as call

    with open("/proc/mounts", encoding="utf-8") as mounts:
        places = [line.split()[1] for line in mounts if line.split()[1].startswith(folder + "/")]
    for place in reversed(places):
        call(["umount", "--lazy", place], check=False)
    shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
