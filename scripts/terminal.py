"""How the demo talks: headings, sentences, and commands with their output, as plain text."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import textwrap
from typing import Any

WIDTH = 100
LAMELLA = os.path.join(os.path.dirname(sys.executable), "lamella")


class DemoFailed(Exception):
    """A command did not do what it has to do here."""


def heading(text: str) -> None:
    print(f"\n\n{text}\n{'=' * len(text)}\n", flush=True)


def tell(*sentences: str) -> None:
    for sentence in sentences:
        print(textwrap.fill(sentence, WIDTH, break_on_hyphens=False, break_long_words=False), flush=True)
    print(flush=True)


def lamella(*arguments: str, expect: tuple[int, ...] = (0,), limit: int | None = None) -> None:
    """Shows a lamella command and what it prints; of long outputs only ``limit`` lines."""
    show(["lamella", *arguments], expect, limit)


def lamella_json(*arguments: str, expect: tuple[int, ...] = (0,)) -> Any:
    """A command's JSON, for the table; neither is shown."""
    done = subprocess.run([LAMELLA, *arguments], capture_output=True, text=True, check=False)
    if done.returncode not in expect:
        raise DemoFailed(f"lamella {shlex.join(arguments)}: exit status {done.returncode}\n{done.stderr}")
    return json.loads(done.stdout)


def show(argv: list[str], expect: tuple[int, ...] = (0,), limit: int | None = None) -> None:
    """Prints the command as it is typed, then runs it; its output is indented, stderr in its place."""
    print(f"$ {shlex.join(argv)}", flush=True)
    program = LAMELLA if argv[0] == "lamella" else argv[0]
    process = subprocess.Popen(
        [program, *argv[1:]], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert process.stdout is not None
    left_out = 0
    for number, line in enumerate(process.stdout):
        if limit is None or number < limit:
            print(f"    {line}".rstrip(), flush=True)
        else:
            left_out += 1
    if left_out:
        print(f"    … and {left_out} more lines", flush=True)
    if process.wait() not in expect:
        raise DemoFailed(f"{shlex.join(argv)}: exit status {process.returncode}")
    print(flush=True)
