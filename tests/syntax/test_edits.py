"""Edits keep what they do not touch."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamella.syntax.edits import (
    Edit,
    EditsOverlap,
    apply_edits,
    comments_above,
    insert_after,
    insert_before,
    move_after,
    move_before,
    newline_of,
    remove_instruction,
    replace_instruction,
)
from lamella.syntax.nodes import Document, Span
from lamella.syntax.parser import parse

TEXT = """\
# syntax=docker/dockerfile:1
# about the base
FROM a

# one
# two
RUN b \\
    # inside
    c

# apart

RUN <<EOF
d
EOF
CMD e
"""


def lines(text: str) -> list[str]:
    return [" ".join((node.keyword, node.value)) for node in parse(text).instructions]


def test_replace_remove_insert_together() -> None:
    document = parse(TEXT)
    _, run, heredoc, cmd = document.instructions
    result = apply_edits(
        document,
        [
            insert_after(document, cmd, "USER z"),
            replace_instruction(document, run, "RUN x \\\n    y"),
            remove_instruction(document, heredoc),
            insert_before(document, cmd, "LABEL l=m\n"),
        ],
    )
    assert (
        result
        == """\
# syntax=docker/dockerfile:1
# about the base
FROM a

# one
# two
RUN x \\
    y

# apart

LABEL l=m
CMD e
USER z
"""
    )


def test_comments_directly_above() -> None:
    document = parse(TEXT)
    from_, run, heredoc, cmd = document.instructions
    assert [comment.text for comment in comments_above(document, from_)] == ["about the base"]
    assert [comment.text for comment in comments_above(document, run)] == ["one", "two"]
    assert comments_above(document, heredoc) == ()
    assert comments_above(document, cmd) == ()


def test_remove_with_comments() -> None:
    document = parse(TEXT)
    result = apply_edits(document, [remove_instruction(document, document.instructions[1], comments=True)])
    assert "# two" not in result
    assert "# inside" not in result
    assert "# apart" in result
    assert lines(result) == ["FROM a", "RUN <<EOF", "CMD e"]


def test_move_takes_comments_along() -> None:
    document = parse(TEXT)
    _, run, heredoc, cmd = document.instructions
    after = apply_edits(document, move_after(document, run, heredoc))
    assert lines(after) == ["FROM a", "RUN <<EOF", "RUN b     c", "CMD e"]
    assert "EOF\n# one\n# two\nRUN b \\\n    # inside\n    c\nCMD e\n" in after
    before = apply_edits(document, move_before(document, cmd, run))
    assert "\nCMD e\n# one\n# two\nRUN b" in before
    bare = apply_edits(document, move_before(document, cmd, run, comments=False))
    assert "# one\n# two\nCMD e\nRUN b" in bare
    assert sorted(lines(before)) == sorted(lines(TEXT))


@pytest.mark.parametrize(
    "text", ["FROM a\nRUN b\nCMD c", "FROM a\nRUN b\nCMD c \\", "FROM a\nRUN b\nCMD c \\\n# d\n\n"]
)
def test_last_line_without_an_ending(text: str) -> None:
    document = parse(text)
    _, run, cmd = document.instructions
    moved = apply_edits(document, move_before(document, cmd, run))
    assert lines(moved) == ["FROM a", "CMD c", "RUN b"]
    appended = apply_edits(document, [insert_after(document, cmd, "USER d\n")])
    assert lines(appended) == ["FROM a", "RUN b", "CMD c", "USER d"]
    assert appended.endswith("\n") == text.endswith("\n")
    replaced = apply_edits(document, [replace_instruction(document, cmd, "CMD x\n")])
    assert lines(replaced) == ["FROM a", "RUN b", "CMD x"]
    assert replaced.endswith("\n") == text.endswith("\n")


def test_line_endings_are_the_files() -> None:
    document = parse("FROM a\r\nRUN b\r\n")
    _, run = document.instructions
    assert newline_of(document) == "\r\n"
    edits = [replace_instruction(document, run, "RUN c \\\n d\n"), insert_after(document, run, "CMD e")]
    assert apply_edits(document, edits) == "FROM a\r\nRUN c \\\r\n d\r\nCMD e\r\n"
    assert newline_of(parse("FROM a")) == "\n"


def test_insertions_at_one_place_keep_their_order() -> None:
    document = parse("FROM a\nRUN b\n")
    _, run = document.instructions
    edits = [insert_before(document, run, "ENV x=1"), insert_before(document, run, "ENV y=2")]
    edits.append(replace_instruction(document, run, "RUN c"))
    assert apply_edits(document, edits) == "FROM a\nENV x=1\nENV y=2\nRUN c\n"


@pytest.mark.parametrize(
    "spans", [[(0, 4), (3, 5)], [(0, 6), (2, 2)], [(0, 2), (0, 2)], [(5, 3)], [(0, 99)], [(-1, 2)]]
)
def test_overlap_is_refused(spans: list[tuple[int, int]]) -> None:
    with pytest.raises(EditsOverlap):
        apply_edits(parse("FROM abc\n"), [Edit(Span(*span), "") for span in spans])


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 3), st.text("xy", max_size=2)), max_size=5))
def test_edits_are_what_slicing_from_behind_does(pieces: list[tuple[int, int, str]]) -> None:
    document: Document = parse("FROM abcde")
    edits, at = [], 0
    for gap, length, text in pieces:
        start = at + gap + 1
        if start + length > len(document.text):
            break
        edits.append(Edit(Span(start, start + length), text))
        at = start + length
    expected = document.text
    for edit in reversed(edits):
        expected = expected[: edit.span.start] + edit.replacement + expected[edit.span.end :]
    assert apply_edits(document, reversed(edits)) == expected
