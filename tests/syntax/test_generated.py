"""Hypothesis: text shaped like a Dockerfile, and soup of the characters that mean something."""

from __future__ import annotations

import re
from collections.abc import Callable

from effort import usually
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from lamella.errors import LamellaError
from lamella.syntax.nodes import Document
from lamella.syntax.parser import decode, parse
from lamella.syntax.typed import type_document

KEYWORDS = [
    "FROM", "RUN", "COPY", "ADD", "ENV", "LABEL", "ARG", "CMD", "ENTRYPOINT", "SHELL", "WORKDIR", "USER", "EXPOSE",
    "VOLUME", "STOPSIGNAL", "HEALTHCHECK", "MAINTAINER", "ONBUILD", "run", "Copy", "FOO",
]  # fmt: skip
WORDS = [
    "a", "b=c", '"d', 'e"', "'f", "g'", "$h", "${i}", "${j:-k}", '\\"', "\\", "`", "#", "--", "-", "--from=x",
    "--mount=type=bind,target=/x", "--link", '["x","y"]', "[", "]", "[1]", '["z"]', ",", "=", 'a="b', '"', "'open",
    '"open', "<<EOF", "<<-EOF", "<<'EOF'", '3<<"B"', "<<<", "<<", "1<<2", "&&", "CMD", "NONE", "RUN", "COPY",
    "ONBUILD", "é", "\\\\", "\u00a0", "$$", "${", "${{", "it's", "a\\", "b", "AS", "scratch",
]  # fmt: skip

word = st.sampled_from(WORDS)
blank = st.sampled_from([" ", " ", " ", "  ", "\t", ""])
newline = st.sampled_from(["\n", "\n", "\n", "\r\n"])
continuation = st.builds("".join, st.tuples(st.sampled_from([" \\", "\\", " `", "\\ ", "`\t"]), newline))
filler = st.builds("".join, st.tuples(st.sampled_from(["# comment", "", "  ", "\t# x \\", "#y`"]), newline))
part = st.one_of(
    st.builds("".join, st.tuples(blank, word)),
    st.builds("".join, st.tuples(blank, word)),
    st.builds("".join, st.tuples(continuation, st.one_of(st.just(""), filler), blank)),
)
instruction = st.builds(
    "".join, st.tuples(blank, st.sampled_from(KEYWORDS), st.just(" "), st.lists(part, max_size=6).map("".join), newline)
)
body = st.sampled_from(["EOF\n", "\tEOF\n", "B\n", "EOF\r\n", "text\n", "\ttext $x\n", "EOF", "2\n", " EOF\n"])
directive = st.sampled_from(["# escape=`\n", "# escape=\\\n", "#syntax = x\n", " # Escape=`\r\n", "# other=x\n", "\n"])
shaped = st.builds(
    "".join,
    st.tuples(
        st.sampled_from(["", "", "", "\ufeff"]),
        st.lists(directive, max_size=2).map("".join),
        st.lists(st.one_of(instruction, instruction, filler, body), max_size=8).map("".join),
    ),
)
soup = st.text(alphabet="RUNCOPY \\`\"'$<-=#{}[],EOF\n\r\ta:1\u00a0", max_size=60).map(lambda text: "RUN " + text)


def _data_behind_json(text: str) -> bool:
    """Whether something may stand behind a JSON array on its logical line (conftest, difference 1)."""
    joined = (re.sub(rf"{escape}[ \t]*\r?\n\s*", " ", text) for escape in (r"\\", "`"))
    return any(re.search(r"\][^\S\n]*\S", line) for line in joined)


@given(st.one_of(shaped, soup))
@settings(max_examples=usually(150, 400), deadline=None)
def test_laws(check_laws: Callable[[Document], None], text: str) -> None:
    try:
        document = parse(text)
    except LamellaError as error:
        assert error.where
        assert error.hint
        return
    check_laws(document)


@given(shaped)
@settings(max_examples=usually(150, 400), deadline=None)
def test_official_parser_agrees_on_shaped_text(
    check_oracle: Callable[[str], None], too_old: Callable[[str], str | None], text: str
) -> None:
    assume(too_old(text) is None and not _data_behind_json(text))
    check_oracle(text)


@given(soup)
@settings(max_examples=usually(150, 400), deadline=None)
def test_official_parser_agrees_on_soup(
    check_oracle: Callable[[str], None], too_old: Callable[[str], str | None], text: str
) -> None:
    assume(too_old(text) is None and not _data_behind_json(text))
    check_oracle(text)


@given(st.one_of(shaped, soup))
@settings(max_examples=usually(150, 400), deadline=None)
def test_typing_ends_in_a_type_or_an_error_with_its_place(text: str) -> None:
    try:
        typed = type_document(parse(text, "Dockerfile"))
    except LamellaError as error:
        assert error.where is not None
        assert error.where.startswith("Dockerfile:")
        assert 1 <= int(error.where.removeprefix("Dockerfile:")) <= text.count("\n") + 1
        assert error.hint
    else:
        assert typed


@given(st.binary(max_size=200))
@settings(max_examples=usually(100, 200), deadline=None)
def test_bytes_are_text_or_an_error_with_its_place(data: bytes) -> None:
    try:
        text = decode(data, "Dockerfile")
    except LamellaError as error:
        assert error.where is not None
        assert error.where.startswith("Dockerfile:")
        assert error.hint
    else:
        assert text.encode() == data
