"""How the demo talks: headings, sentences, and commands with their output, as plain text."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import tempfile
import textwrap
from collections import deque
from collections.abc import Iterable
from typing import Any, NamedTuple

WIDTH = 100
LAMELLA = os.path.join(os.path.dirname(sys.executable), "lamella")


class Ends(NamedTuple):
    """How many lines are shown of a long output's start and end."""

    first: int
    last: int


class Shown(NamedTuple):
    """A command's exit status and what it printed, line by line."""

    status: int
    lines: list[str]


class DemoFailed(Exception):
    """A command did not do what it has to do here."""


def heading(text: str) -> None:
    print(f"\n\n{text}\n{'=' * len(text)}\n", flush=True)


def tell(*sentences: str) -> None:
    for sentence in sentences:
        print(textwrap.fill(sentence, WIDTH, break_on_hyphens=False, break_long_words=False), flush=True)
    print(flush=True)


def lamella(*arguments: str, expect: tuple[int, ...] = (0,), ends: Ends | None = None, progress: bool = True) -> Shown:
    """Shows a lamella command and what it prints: of long outputs only the ``ends``, without ``progress`` only
    stdout."""
    return show(["lamella", *arguments], expect, ends, progress)


def lamella_json(*arguments: str, expect: tuple[int, ...] = (0,)) -> Any:
    """A command's JSON, for the table; neither is shown."""
    return json.loads(quietly(*arguments, expect=expect))


def quietly(*arguments: str, expect: tuple[int, ...] = (0,)) -> str:
    """A command's stdout; nothing is shown."""
    done = subprocess.run([LAMELLA, *arguments], capture_output=True, text=True, check=False)
    if done.returncode not in expect:
        raise DemoFailed(f"lamella {shlex.join(arguments)}: exit status {done.returncode}\n{done.stderr}")
    return done.stdout


def show(argv: list[str], expect: tuple[int, ...] = (0,), ends: Ends | None = None, progress: bool = True) -> Shown:
    """Prints the command as it is typed, then runs it; its output is indented."""
    print(f"$ {shlex.join(argv)}", flush=True)
    program = LAMELLA if argv[0] == "lamella" else argv[0]
    with tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(
            [program, *argv[1:]],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT if progress else errors,
            text=True,
        )
        assert process.stdout is not None
        lines = _indent(process.stdout, ends)
        if process.wait() not in expect:
            errors.seek(0)
            _indent(errors, None)
            raise DemoFailed(f"{shlex.join(argv)}: exit status {process.returncode}")
    print(flush=True)
    return Shown(process.returncode, lines)


def _indent(lines: Iterable[str], ends: Ends | None) -> list[str]:
    """Prints the lines as they come, and returns all of them."""
    seen: list[str] = []
    kept: deque[str] = deque()
    left_out = 0
    for number, line in enumerate(lines):
        seen.append(line.rstrip())
        if ends is None or number < ends.first:
            print(f"    {line}".rstrip(), flush=True)
            continue
        kept.append(line)
        if len(kept) > ends.last:
            kept.popleft()
            left_out += 1
    if left_out:
        print(f"    … {left_out:,} lines more …", flush=True)
    for line in kept:
        print(f"    {line}".rstrip(), flush=True)
    return seen
