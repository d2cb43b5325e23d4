"""The tree: spans, directives, comments, continuation lines, here-documents, bytes."""

from __future__ import annotations

import pytest

from lamella.syntax.nodes import Blank, Comment, Directive, Instruction
from lamella.syntax.parser import decode, parse


def test_items_in_order() -> None:
    document = parse("# syntax=docker/dockerfile:1\n\n# why\nFROM a\n  \nRUN b")
    assert [type(item) for item in document.items] == [Directive, Blank, Comment, Instruction, Blank, Instruction]
    assert [item.line for item in document.items] == [1, 2, 3, 4, 5, 6]
    assert document.where(6) == "Dockerfile:6"


def test_keyword_flags_and_value_have_their_places() -> None:
    document = parse("FROM a\n  copy --from=x \\\n    --chown=1:2   a b \n")
    node = document.instructions[1]
    assert node.keyword == "COPY"
    assert document.source(node.keyword_span) == "copy"
    assert [(flag.name, flag.value, flag.line) for flag in node.flags] == [("from", "x", 2), ("chown", "1:2", 3)]
    assert [document.source(flag.span) for flag in node.flags] == ["--from=x", "--chown=1:2"]
    assert node.value == "a b"
    assert node.logical == "copy --from=x     --chown=1:2   a b "
    assert document.text[node.source_offset(node.value_offset) :] == "a b \n"
    assert (node.line, node.end_line) == (2, 3)


def test_flag_quotes_are_taken_off() -> None:
    node = parse("FROM --platform=\"a b\"\\ 'c' x\n").instructions[0]
    assert node.flags[0].value == "a b c"
    assert node.value == "x"


def test_a_word_may_be_cut_by_a_continuation() -> None:
    document = parse("FR\\\nOM al\\\n# between\n\\\npine\n")
    node = document.instructions[0]
    assert node.keyword == "FROM"
    assert document.source(node.keyword_span) == "FR\\\nOM"
    assert node.value == "alpine"
    assert [comment.text for comment in node.comments] == ["between"]


def test_spans_end_where_the_words_end() -> None:
    document = parse("COPY\\\n --from=x\\\n  a \\\n # c\n b\n")
    node = document.instructions[0]
    assert document.source(node.keyword_span) == "COPY"
    assert document.source(node.flags[0].span) == "--from=x"
    assert document.source(node.source_span(node.value_offset, node.value_offset + len(node.value))) == "a \\\n # c\n b"
    assert document.source(node.source_span(3, 3)) == ""


def test_last_flag_of_a_name() -> None:
    node = parse("RUN --mount=a --mount=b c\n").instructions[0]
    found = node.flag("mount")
    assert found is not None
    assert found.value == "b"
    assert node.flag("network") is None


def test_comments_and_blank_lines_inside() -> None:
    node = parse("RUN a \\\n  # one \n\n\t\n  b \\\n#two\n c\n").instructions[0]
    assert node.logical == "RUN a   b  c"
    assert [(comment.line, comment.text) for comment in node.comments] == [(2, "one"), (6, "two")]
    assert node.blank_lines == (3, 4)
    assert node.end_line == 7


@pytest.mark.parametrize(
    ("line", "continued"),
    [
        ("RUN a \\", True),
        ("RUN a\\", True),
        ("RUN a \\ \t ", True),
        ("RUN a \\\\", False),
        ("RUN a \\\\\\", False),  # BuildKit counts no further than two
        ("RUN a \\ b", False),
        ("\\", True),
        ("RUN a `", False),
    ],
)
def test_continuation(line: str, continued: bool) -> None:
    document = parse(f"{line}\nRUN next\n")
    assert len(document.instructions) == (1 if continued else 2)


def test_continuation_at_the_end_of_the_file() -> None:
    document = parse("FROM a\nRUN b \\\n  # c\n\n")
    node = document.instructions[1]
    assert (node.value, node.line, node.end_line) == ("b", 2, 4)
    assert node.span.end == len(document.text)


@pytest.mark.parametrize(
    ("text", "escape", "names"),
    [
        ("# escape=`\nFROM a", "`", ["escape"]),
        ("#ESCAPE = `  \nFROM a", "`", ["escape"]),
        ("  # syntax=x y\n# escape=`\n# check=skip=all\nFROM a", "`", ["syntax", "escape", "check"]),
        ("\ufeff# escape=`\nFROM a", "`", ["escape"]),
        ("# escape=`\r\nFROM a\r\n", "`", ["escape"]),
        ("\n# escape=`\nFROM a", "\\", []),
        ("# hello\n# escape=`\nFROM a", "\\", []),
        ("# other=1\n# escape=`\nFROM a", "\\", []),
        ("FROM a\n# escape=`\n", "\\", []),
        ("# escape=\nFROM a", "\\", []),
    ],
)
def test_directives(text: str, escape: str, names: list[str]) -> None:
    document = parse(text)
    assert document.escape == escape
    assert [directive.name for directive in document.directives] == names


def test_directive_values() -> None:
    document = parse("# syntax = docker/dockerfile:1  \n#check=skip=A,B;error=true\nFROM a")
    assert [directive.value for directive in document.directives] == ["docker/dockerfile:1", "skip=A,B;error=true"]


def test_heredoc_fields() -> None:
    document = parse('FROM a\nRUN 3<<-"E F" cat <<G\n\tone\n\tE F\ntwo\nG\nUSER b\n')
    first, second = document.instructions[1].heredocs
    assert (first.name, first.marker, first.fd, first.expand, first.strip_tabs) == (
        "E F",
        '3<<-"E F"',
        3,
        False,
        True,
    )
    assert (first.content, first.line, document.source(first.span)) == ("one\n", 3, "\tone\n\tE F\n")
    assert (second.name, second.marker, second.fd, second.expand, second.strip_tabs) == ("G", "<<G", 0, True, False)
    assert (second.content, second.line, document.source(second.span)) == ("two\n", 5, "two\nG\n")
    assert (document.instructions[1].line, document.instructions[1].end_line) == (2, 6)
    assert document.instructions[2].keyword == "USER"


@pytest.mark.parametrize(
    "line",
    [
        "RUN cat <<< x",
        "RUN cat << E",
        "RUN echo '<<E' \"<<E\" \\<<E a<<E",
        'RUN ["cat", "<<E"]',
        "RUN it's <<E",  # an open quote: no shell words at all
        "RUN ${ <<E",
        "CMD <<E",
        "ENV A=<<E",
        "ONBUILD CMD <<E",
        "ONBUILD ONBUILD RUN <<E",
        "FOO <<E",
    ],
)
def test_no_heredoc(line: str) -> None:
    document = parse(f"{line}\nUSER x\n")
    assert [node.heredocs for node in document.instructions] == [(), ()]


@pytest.mark.parametrize(
    ("marker", "name", "expand"),
    [
        ("<<E", "E", True),
        ("<<'E'", "E", False),
        ('<<"E"', "E", False),
        ("<<E'O'F", "EOF", False),
        ("<<\\E", "E", True),
        ("<<-$x", "$x", True),
        ("<<${x%.*}", "${x%.*}", True),
        ("<<E>file", "E>file", True),
    ],
)
def test_heredoc_names(marker: str, name: str, expand: bool) -> None:
    (heredoc,) = parse(f"RUN {marker}\nbody\n{name}\n").instructions[0].heredocs
    assert (heredoc.name, heredoc.expand, heredoc.content) == (name, expand, "body\n")


def test_only_a_dash_strips_tabs_from_the_delimiter() -> None:
    (heredoc,) = parse("RUN <<E\n\tE\nE\n").instructions[0].heredocs
    assert heredoc.content == "\tE\n"


@pytest.mark.parametrize("word", ["${x#a}", "${x##a}", "${x%a}", "${x/a/b}", "${x//a/b}", '${x:-"}"}', "$#", "$x'a'"])
def test_substitutions_before_a_heredoc(word: str) -> None:
    """Newer than the oracle: what BuildKit 0.14 and later read."""
    node = parse(f"RUN echo {word} <<E\nE\n").instructions[0]
    assert [heredoc.name for heredoc in node.heredocs] == ["E"]


def test_newline_styles_and_byte_order_mark_are_kept() -> None:
    data = b"\xef\xbb\xbf# escape=`\r\nFROM a `\r\n  AS b\r\n\nRUN c\r"
    document = parse(decode(data, "Dockerfile"))
    assert document.text.encode() == data
    assert [node.value for node in document.instructions] == ["a   AS b", "c"]
    assert document.items[0].span.start == 1


def test_keywords_are_folded_like_go_does() -> None:
    # U+212A is the Kelvin sign, whose lower case is k; U+017F's lower case is itself
    kelvin, long_s = parse("WOR\u212aDIR /a\nU\u017fER b\n").instructions
    assert kelvin.keyword == "WORKDIR"
    assert long_s.keyword == "U\u017fER"
