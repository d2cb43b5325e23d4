"""Large and hostile input is read in linear time, and ends in a result or one error."""

from __future__ import annotations

import time

import pytest

from lamella.errors import DockerfileError
from lamella.syntax.parser import decode, parse
from lamella.syntax.typed import type_document

MEGABYTE = 1_000_000

SHAPES = {
    "instructions": "RUN echo hello world && true\n" * 30_000,
    "continuations": "RUN true \\\n" + " && echo \\\n" * 100_000 + " && true\n",
    "comments inside": "RUN true \\\n" + "# c\n\n x \\\n" * 60_000 + " && true\n",
    "one line": "RUN " + "x" * MEGABYTE,
    "env": "ENV " + "a=b " * (MEGABYTE // 4),
    "env quotes": "ENV a=" + "'\"" * (MEGABYTE // 2),
    "env escapes": 'ENV a="' + "\\" * MEGABYTE,
    "json": "RUN [" + '"a",' * (MEGABYTE // 4) + '"b"]',
    "json nested": "RUN " + "[" * MEGABYTE,
    "heredoc": "RUN <<EOF\n" + "line of text\n" * (MEGABYTE // 13) + "EOF\n",
    "heredocs": "COPY "
    + "".join(f"<<E{n} " for n in range(20_000))
    + "/x\n"
    + "".join(f"E{n}\n" for n in range(20_000)),
    "heredoc words": "RUN <<E " + "a$b \"c\" 'd' \\e ${f:-g} " * (MEGABYTE // 24) + "\nE\n",
    "heredoc dollars": "RUN <<E " + "$" * MEGABYTE + "\nE\n",
    "flags": "RUN " + "--mount=target=/x \\\n" * (MEGABYTE // 20) + "x",
    "mount options": "RUN --mount=" + "target=/x," * (MEGABYTE // 10) + "type=bind x",
    "quotes in mount": 'RUN --mount=target=/x,\\"' + "a" * MEGABYTE + " x",
    "blanks": "RUN " + " " * MEGABYTE + "x" + " " * MEGABYTE + "\n",
    "carriage returns": "\r" * MEGABYTE + "\n",
    "comment blanks": "# escape=a" + " " * MEGABYTE + "x\n",
    "interval": "HEALTHCHECK --interval=" + "1h" * (MEGABYTE // 2) + " CMD x",
    "fraction": "HEALTHCHECK --interval=0." + "0" * MEGABYTE + "1s CMD x",
    "number": "HEALTHCHECK --interval=" + "9" * MEGABYTE + "s CMD x",
    "json number": "RUN [" + "9" * MEGABYTE + "]",
    "retries": "HEALTHCHECK --retries=" + "9" * MEGABYTE + " CMD x",
    "descriptor": "RUN " + "9" * MEGABYTE + "<<E\nE\n",
    "size": "RUN --mount=type=tmpfs,size=" + "9" * MEGABYTE + " x",
}


@pytest.mark.parametrize("shape", SHAPES)
def test_a_megabyte(shape: str) -> None:
    text = decode(f"FROM a\n{SHAPES[shape]}".encode(), "Dockerfile")
    start = time.process_time()
    try:
        typed = type_document(parse(text))
    except DockerfileError as error:
        assert error.where
        assert len(str(error)) < 300
    else:
        assert len(typed) >= 1
    # Quadratic work on a megabyte takes minutes.
    assert time.process_time() - start < 8


@pytest.mark.slow
def test_ten_megabytes_of_instructions() -> None:
    text = "FROM a\n" + "RUN echo hello world this is a line && true\n" * 220_000
    start = time.process_time()
    assert len(type_document(parse(text))) == 220_001
    assert time.process_time() - start < 60


@pytest.mark.parametrize("depth", [10, 100, 101, 5_000, 100_000])
def test_nested_substitutions(depth: int) -> None:
    """Up to a depth that nobody writes they are read; beyond it there are no here-documents on the line."""
    text = "RUN echo " + "${a:-" * depth + "x" + "}" * depth + " <<E\nE\n"
    found = parse(text).instructions[0].heredocs
    assert len(found) == (1 if depth <= 100 else 0)
