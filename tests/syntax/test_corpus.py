"""Every Dockerfile of the repository: laws, official parser, types, edits."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from lamella.errors import DockerfileError
from lamella.syntax.edits import apply_edits, replace_instruction
from lamella.syntax.nodes import Document, Instruction
from lamella.syntax.parser import decode, parse
from lamella.syntax.typed import parse_trigger, type_document

ROOT = Path(__file__).resolve().parents[2]
OWN = sorted((ROOT / "tests" / "data" / "dockerfiles").glob("*/Dockerfile"))
FILES = sorted({*OWN, *(ROOT / "examples").rglob("*Dockerfile*"), *(ROOT / "tests" / "data").rglob("Dockerfile*")})
FILES = [path for path in FILES if path.is_file() and not path.name.endswith(".dockerignore")]


def _text(path: Path) -> str:
    try:
        return decode(path.read_bytes(), path.name)
    except DockerfileError as error:
        pytest.skip(f"no text on purpose: {error}")


def _document(path: Path) -> Document:
    """The tree, or a skip for a file that is broken on purpose (some rooms keep such ones)."""
    try:
        return parse(_text(path), str(path.relative_to(ROOT)))
    except DockerfileError as error:
        if path in OWN:
            raise
        pytest.skip(f"broken on purpose: {error}")


def _name(path: Path) -> str:
    return str(path.relative_to(ROOT)).removeprefix("tests/data/").removesuffix("/Dockerfile")


def test_there_are_enough_files() -> None:
    assert len(OWN) >= 60


@pytest.mark.parametrize("path", FILES, ids=_name)
def test_laws(path: Path, check_laws: Callable[[Document], None]) -> None:
    document = _document(path)
    check_laws(document)
    assert document.text.encode() == path.read_bytes()


@pytest.mark.parametrize("path", FILES, ids=_name)
def test_official_parser_agrees(
    path: Path, check_oracle: Callable[[str], None], too_old: Callable[[str], str | None]
) -> None:
    text = _text(path)
    if (reason := too_old(text)) is not None:
        pytest.skip(reason)
    check_oracle(text)


@pytest.mark.parametrize("path", OWN, ids=_name)
def test_every_instruction_has_a_type(path: Path) -> None:
    document = _document(path)
    typed = type_document(document)
    assert tuple(instruction.node for instruction in typed) == document.instructions


@pytest.mark.parametrize("path", FILES, ids=_name)
def test_replacing_by_itself_changes_nothing(path: Path) -> None:
    document = _document(path)
    if "\r\r" in document.text or (
        "\r\n" in document.text and document.text.count("\n") != document.text.count("\r\n")
    ):
        pytest.skip("mixed line endings are made one")
    edits = [replace_instruction(document, node, document.source(node.span)) for node in document.instructions]
    assert apply_edits(document, edits) == document.text


@pytest.mark.parametrize("path", OWN, ids=_name)
def test_every_instruction_can_be_a_trigger(path: Path) -> None:
    """A trigger is the logical line with the bodies behind it; read back it means the same."""
    document = _document(path)
    for instruction in type_document(document):
        node: Instruction = instruction.node
        if node.keyword in ("FROM", "ONBUILD", "MAINTAINER"):
            continue
        bodies = "".join("\n" + document.source(heredoc.span).rstrip("\r\n") for heredoc in node.heredocs)
        again = parse_trigger(node.logical + bodies, "trigger", document.escape)
        assert type(again) is type(instruction)
        assert again.node.value == node.value
        assert [heredoc.content for heredoc in again.node.heredocs] == [heredoc.content for heredoc in node.heredocs]
