"""``lamella system info``: what this machine can do."""

from __future__ import annotations

import argparse

from lamella.cli.session import Session

SUMMARY = "what this machine can do for lamella"
EXAMPLES = "lamella system info\nlamella system info --format json"


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--format", choices=("text", "json"), default="text", help="how to print it (default: text)")


def run(args: argparse.Namespace, session: Session) -> int:
    import os
    import platform
    import shutil

    from lamella import __version__

    path = os.environ.get("PATH", os.defpath) + ":/usr/sbin:/sbin"
    facts = {
        "version": __version__,
        "root": session.root,
        "python": platform.python_version(),
        "kernel": platform.release(),
        "user": "root" if os.geteuid() == 0 else f"uid {os.geteuid()}",
        "runtime": shutil.which("runc", path=path) or shutil.which("crun", path=path) or "none",
    }
    if args.format == "json":
        session.json({"schema": 1, **facts})
        return 0
    for name, value in facts.items():
        session.out(f"{name:<8} {value}")
    return 0
