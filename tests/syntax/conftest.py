"""The laws of the tree and the agreement with the official parser, as callables that several files share."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import dockerfile
import pytest

from lamella.errors import DockerfileError
from lamella.syntax.arguments import read_arguments
from lamella.syntax.head import split_instruction
from lamella.syntax.keywords import INSTRUCTIONS, normal_keyword
from lamella.syntax.nodes import Document, Instruction
from lamella.syntax.parser import parse
from lamella.syntax.request import Request
from lamella.syntax.words import Words, strip


def _line_of(text: str, offset: int) -> int:
    return text.count("\n", 0, offset) + 1


def _check_instruction(document: Document, node: Instruction) -> None:
    text = document.text
    source = document.source(node.span)
    assert node.end_line == node.line + source.removesuffix("\n").count("\n")
    assert "".join(document.source(piece.span) for piece in node.pieces) == node.logical
    assert [piece.offset for piece in node.pieces] == [
        sum(other.span.end - other.span.start for other in node.pieces[:index]) for index in range(len(node.pieces))
    ]
    for offset in range(0, len(node.logical), 1 + len(node.logical) // 50):
        assert text[node.source_offset(offset)] == node.logical[offset]
    assert node.logical[node.value_offset :].startswith(node.value)
    assert node.keyword_span.start >= node.span.start
    for flag in node.flags:
        assert text[flag.span.start] == "-"
        assert flag.line == _line_of(text, flag.span.start)
        assert node.keyword_span.end <= flag.span.start <= flag.span.end <= node.span.end
    for comment in node.comments:
        assert document.source(comment.span).strip().removeprefix("#").strip() == comment.text
        assert comment.line == _line_of(text, comment.span.start)
        assert node.span.start <= comment.span.start < comment.span.end <= node.span.end
    lines = text.split("\n")
    assert all(not lines[number - 1].strip() for number in node.blank_lines)
    end = node.heredocs[0].span.start if node.heredocs else node.span.end
    for heredoc in node.heredocs:
        assert heredoc.span.start == end
        assert heredoc.line == _line_of(text, end)
        body = document.source(heredoc.span)
        if heredoc.strip_tabs:
            stripped = "".join(line.lstrip("\t") for line in body.splitlines(keepends=True))
            assert stripped.startswith(heredoc.content)
        else:
            assert body.startswith(heredoc.content)
            assert body[len(heredoc.content) :].rstrip("\r\n") == heredoc.name
        end = heredoc.span.end
    assert end == node.span.end


def _check_laws(document: Document) -> None:
    """Every character belongs to exactly one item, and every offset and line says where it stands."""
    at = 1 if document.text.startswith("\ufeff") else 0
    for item in document.items:
        assert item.span.start == at < item.span.end
        assert item.line == _line_of(document.text, at)
        at = item.span.end
        if isinstance(item, Instruction):
            _check_instruction(document, item)
    assert at == len(document.text)
    sources = "".join(document.source(item.span) for item in document.items)
    assert document.text.removeprefix("\ufeff") == sources
    assert parse(document.text, document.name) == document


@pytest.fixture(scope="session")
def check_laws() -> Callable[[Document], None]:
    return _check_laws


def _inner(document: Document, node: Instruction) -> Words:
    """Words of an ONBUILD's trigger, as the oracle gives them."""
    word, _, offset = split_instruction(node.value)
    keyword = normal_keyword(word)
    if keyword not in INSTRUCTIONS or (keyword == "ONBUILD" and strip(node.value[offset:])):
        return Words(("",))
    value = strip(node.value[offset:])
    return read_arguments(Request(document, node._replace(keyword=keyword, value=value, flags=())))


def _words(document: Document, node: Instruction) -> Words:
    """Our words, in the oracle's form: an unknown instruction has one empty word, ONBUILD those of its trigger."""
    if node.keyword == "ONBUILD" and node.value:
        return _inner(document, node)
    if node.keyword not in INSTRUCTIONS:
        return Words(("",))
    return read_arguments(Request(document, node))


def _trailing_data(node: Instruction, theirs: Any) -> bool:
    """Difference 1: what follows a JSON array makes it shell form since BuildKit decodes the whole text; the oracle's
    version (0.12) decodes the first value and drops the rest."""
    start = node.value.find("[")
    if start < 0 or not theirs.json:
        return False
    array, end = json.JSONDecoder().raw_decode(node.value, start)
    return tuple(array) == theirs.value[-len(array) or len(theirs.value) :] and end < len(node.value)


def _check_node(document: Document, node: Instruction, theirs: Any) -> None:
    assert node.keyword == normal_keyword(theirs.cmd or "")
    assert (node.line, node.end_line) == (theirs.start_line, theirs.end_line)
    flags = tuple(f"--{flag.name}" + ("" if flag.value is None else f"={flag.value}") for flag in node.flags)
    assert flags == theirs.flags
    words = _words(document, node)
    if (words.words, words.json) != (theirs.value, theirs.json):
        assert _trailing_data(node, theirs), (words, theirs)
        return
    if node.keyword == "ONBUILD":
        # Difference 2: the wrapper shows the trigger and leaves out the here-documents and their text.
        assert node.logical == theirs.original
        return
    original = node.logical
    for index, heredoc in enumerate(node.heredocs):
        other = theirs.heredocs[index]
        # Difference 3: the oracle gives the body of <<- with its tabs; the builder strips them later.
        content = "".join(line.lstrip("\t") for line in other.content.splitlines(keepends=True))
        assert heredoc.content == (content if heredoc.strip_tabs else other.content)
        assert (heredoc.name, heredoc.fd) == (other.name, other.file_descriptor)
        original += f"{'' if index else chr(10)}{other.content}{other.name}\n"
    assert len(node.heredocs) == len(theirs.heredocs)
    assert original == (theirs.original or "")


def _check_oracle(text: str) -> None:
    """Our tree and words are those of the official Go parser (BuildKit 0.12, by the package ``dockerfile``)."""
    try:
        theirs = dockerfile.parse_string(text)
    except dockerfile.GoParseError as error:
        # What the Go parser refuses we refuse too, some of it only when the instruction is typed.
        with pytest.raises(DockerfileError):
            document = parse(text)
            for node in document.instructions:
                _words(document, node)
            pytest.fail(f"the Go parser says: {error}")
        return
    document = parse(text)
    assert len(document.instructions) == len(theirs)
    for node, other in zip(document.instructions, theirs, strict=True):
        _check_node(document, node, other)


def _cuts_letters(text: str) -> bool:
    try:
        nodes = parse(text).instructions
    except DockerfileError:
        return True
    flags = "".join(f"{flag.name}{flag.value}" for node in nodes for flag in node.flags)
    flags += "".join(node.value for node in nodes if node.keyword == "ONBUILD" and "--" in node.value)
    return not flags.isascii() or any(node.keyword == "HEALTHCHECK" and "\u00a0" in node.logical for node in nodes)


def _too_old(text: str) -> str | None:
    """Why the oracle's version cannot judge this text, None where it can."""
    if not text.isascii() and _cuts_letters(text):
        return "difference 4: it cuts letters beyond ASCII in two in flags and in HEALTHCHECK's type"
    if "<<" in text and re.search(r"\$\{[^}]*[#%/]", text):
        return "difference 5: it refuses ${v#x}, ${v%x} and ${v/x/y}, and then sees no here-documents on the line"
    if re.search(r"(?i)\A\ufeff?(\s*#.*\n)*\s*#\s*check\s*=.*\n\s*#\s*(escape|syntax)\s*=", text):
        return "difference 6: it does not know the check directive, which therefore ends the directives"
    if any(len(line.encode()) > 65_000 for line in text.split("\n")):
        return "difference 7: it refuses lines over 64 KiB"
    return None


@pytest.fixture(scope="session")
def too_old() -> Callable[[str], str | None]:
    return _too_old


@pytest.fixture(scope="session")
def check_oracle() -> Callable[[str], None]:
    return _check_oracle
