"""``lamella system info``: what this machine can do."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from lamella.cli.session import Session

if TYPE_CHECKING:
    from lamella.userns.describe import Description

SUMMARY = "what this machine can do for lamella"
EXAMPLES = "lamella system info\nlamella system info --format json"


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--format", choices=("text", "json"), default="text", help="how to print it (default: text)")


def run(args: argparse.Namespace, session: Session) -> int:
    import os
    import platform
    import shutil

    from lamella import __version__
    from lamella.userns.describe import describe

    path = os.environ.get("PATH", os.defpath) + ":/usr/sbin:/sbin"
    user = describe()
    facts: dict[str, object] = {
        "version": __version__,
        "root": session.root,
        "python": platform.python_version(),
        "kernel": platform.release(),
        "user": "root" if os.geteuid() == 0 else f"uid {os.geteuid()}",
        "mode": _in_words(user),
        "runtime": shutil.which("runc", path=path) or shutil.which("crun", path=path) or "none",
    }
    if args.format == "json":
        facts["mode"] = {"name": user.mode, "ids": user.ids, "reason": user.reason, "hint": user.hint}
        session.json({"schema": 1, **facts})
        return 0
    for name, value in facts.items():
        session.out(f"{name:<8} {value}")
    if user.hint:
        session.note(f"hint: {user.hint}")
    return 0


def _in_words(user: Description) -> str:
    """What RUN and containers get."""
    words = {
        "root": "root",
        "user namespace": f"a user namespace with {user.ids} ids",
        "one id": "a user namespace with one id",
        "none": "no containers, and builds without RUN",
    }
    return words[user.mode] + (f" ({user.reason})" if user.reason else "")
