"""Whole Dockerfiles: ``tests/data/rewrite/<case>/{Dockerfile,expected,notes}``. ``make goldens`` writes them again."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lamella.rewrite.runner import Rewrite, rewrite
from lamella.syntax.nodes import Instruction
from lamella.syntax.parser import parse
from lamella.syntax.typed import type_document

DATA = Path(__file__).resolve().parent.parent / "data" / "rewrite"
CASES = sorted(folder.name for folder in DATA.iterdir() if folder.is_dir())


def read(path: Path) -> str:
    return path.read_bytes().decode("utf-8")


def fix(text: str) -> Rewrite:
    return rewrite(parse(text))


def notes(result: Rewrite) -> str:
    lines = []
    for change in result.changes:
        lines.append(f"{change.lines[0]}-{change.lines[1]}: {change.pass_name}: {change.explanation}")
        lines += [f"    {detail}" for detail in change.details]
    lines += [f"{left.lines[0]}-{left.lines[1]}: left alone: {left.reason}" for left in result.left]
    return "".join(f"{line}\n" for line in lines)


@pytest.mark.parametrize("case", CASES)
def test_golden(case: str) -> None:
    folder = DATA / case
    result = fix(read(folder / "Dockerfile"))
    if os.environ.get("LAMELLA_GOLDENS") == "write":
        (folder / "expected").write_bytes(result.text.encode("utf-8"))
        (folder / "notes").write_bytes(notes(result).encode("utf-8"))
    assert result.text == read(folder / "expected")
    assert notes(result) == read(folder / "notes")


@pytest.mark.parametrize("case", CASES)
def test_laws(case: str) -> None:
    """Parses again, fixed again does not change, as many layers fewer as said, no comment is lost."""
    before = parse(read(DATA / case / "Dockerfile"))
    result = rewrite(before)
    after = parse(result.text)
    assert not fix(result.text).changed
    runs = [sum(node.keyword == "RUN" for node in document.instructions) for document in (before, after)]
    assert runs[0] - runs[1] == result.layers
    assert len(type_document(after)) == len(after.instructions)
    assert sorted(comments(before)) == sorted(text for text in comments(after) if text not in SHELL_COMMENTS)


#: comments of the shell's that become the Dockerfile's
SHELL_COMMENTS = ("behind two", "behind four", "refresh && apt-get upgrade")


def comments(document: object) -> list[str]:
    found = []
    for item in document.items:  # type: ignore[attr-defined]
        inner = item.comments if isinstance(item, Instruction) else (item,)
        found += [comment.text for comment in inner if type(comment).__name__ == "Comment"]
    return found
