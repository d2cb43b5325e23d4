"""A unified diff of two texts."""

from __future__ import annotations


def unified_diff(before: str, after: str, name: str, context: int = 3) -> str:
    """As ``diff -u`` prints it, empty where the texts are equal; ``patch -p1`` takes it."""
    import difflib

    old, new = before.splitlines(keepends=True), after.splitlines(keepends=True)
    path = name.lstrip("/")
    lines = difflib.unified_diff(old, new, f"a/{path}", f"b/{path}", n=context)
    return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)
