"""The build context as text and as JSON."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from lamella.cli.text.columns import WIDTH, align, shorten, shorten_path
from lamella.cli.text.counts import count
from lamella.cli.text.docker import human_size
from lamella.cli.view.context import ContextFile, ContextView, LeftOut

SCHEMA = 1
_PATH = 44  # columns


def context_lines(view: ContextView, *, only_unused: bool) -> list[str]:
    """A line a file, then what is left out, then the sums."""
    files = [file for file in view.files if file.unused or not only_unused]
    lines = align([("bytes", "file", "why"), *(_file_cells(view, file) for file in files)], right=(0,)) if files else []
    if view.left_out and not only_unused:
        rows = [("bytes", "files", f"left out by {view.ignore_file}", "line"), *map(_left_out_cells, view.left_out)]
        lines += [*([""] if lines else []), *align(rows, right=(0, 1))]
    lines = [shorten(line, WIDTH) if line.strip() else "" for line in lines]
    return [*lines, *([""] if lines else []), *_sums(view)]


def _file_cells(view: ContextView, file: ContextFile) -> tuple[str, str, str]:
    why = ", ".join(f"{use.line} {use.text}" for use in file.used_by) or (f"the {file.role}" if file.role else "unused")
    if file.decision.line is not None:
        why += f" ({view.ignore_file}:{file.decision.line} {file.decision.pattern})"
    return human_size(file.size), shorten_path(file.path, _PATH), why


def _left_out_cells(one: LeftOut) -> tuple[str, str, str, str]:
    where = f"{one.decision.line} {one.decision.pattern}"
    return human_size(one.size), f"{one.files:,}", shorten_path(one.path, _PATH), where


def _sums(view: ContextView) -> list[str]:
    unused = [file for file in view.files if file.unused]
    lines = [f"in the context: {_sum(view.files)}; used by no instruction: {_sum(unused)}"]
    if view.ignore_file is None:
        lines.append("there is no ignore file")
    else:
        files = sum(one.files for one in view.left_out)
        size = sum(one.size for one in view.left_out)
        lines.append(f"left out by {view.ignore_file}: {count(files, 'file')}, {human_size(size)}")
    return lines


def _sum(files: Iterable[ContextFile]) -> str:
    sizes = [file.size for file in files]
    return f"{count(len(sizes), 'file')}, {human_size(sum(sizes))}"


def context_to_json(view: ContextView, *, only_unused: bool) -> dict[str, Any]:
    """``line`` and ``pattern`` are those of the ignore file that decided, null where none did; a path of
    ``left_out`` that ends in ``/`` stands for all that is below. With ``only_unused`` the totals stay whole."""
    return {
        "schema": SCHEMA,
        "context": view.folder,
        "dockerfile": view.dockerfile,
        "ignore_file": view.ignore_file,
        "files": [_file(file) for file in view.files if file.unused or not only_unused],
        "left_out": [] if only_unused else [_left_out(one) for one in view.left_out],
        "totals": {
            "sent": _total(view.files),
            "unused": _total([file for file in view.files if file.unused]),
            "left_out": {
                "files": sum(one.files for one in view.left_out),
                "size": sum(one.size for one in view.left_out),
            },
        },
    }


def _file(file: ContextFile) -> dict[str, Any]:
    return {
        "path": file.path,
        "size": file.size,
        "line": file.decision.line,
        "pattern": file.decision.pattern,
        "role": file.role or None,
        "used_by": [use._asdict() for use in file.used_by],
    }


def _left_out(one: LeftOut) -> dict[str, Any]:
    return {
        "path": one.path,
        "files": one.files,
        "size": one.size,
        "line": one.decision.line,
        "pattern": one.decision.pattern,
    }


def _total(files: Iterable[ContextFile]) -> dict[str, int]:
    sizes = [file.size for file in files]
    return {"files": len(sizes), "size": sum(sizes)}
