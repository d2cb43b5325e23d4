"""Text that fits: widths, cuts, aligned columns, the stack and the verdict as they are printed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamella.cli.text.columns import align, one_line, shorten, shorten_path, width
from lamella.cli.text.counts import count
from lamella.cli.text.stack import stack_lines, sum_line
from lamella.cli.text.verdict import verdict_lines, verdict_markdown
from lamella.insight.stack import Base, Row, Stack
from lamella.prove.model import Difference, Proof, Removal
from lamella.trial.verdict import Measure, Verdict

_TEXT = st.text(st.characters(codec="utf-8"), max_size=60) | st.text("ab한한́", max_size=60)


@given(_TEXT, st.integers(4, 40))
def test_shortened_text_fits(text: str, columns: int) -> None:
    assert width(shorten(text, columns)) <= columns
    if width(text) <= columns and text.isprintable():
        assert shorten(text, columns) == text


@given(_TEXT, st.integers(4, 40))
def test_a_shortened_path_keeps_its_end(path: str, columns: int) -> None:
    short = shorten_path("/" + path, columns)
    assert len(short) <= columns or width(short) <= columns
    assert short[-1] == one_line("/" + path)[-1]


def test_nothing_steers_the_terminal() -> None:
    assert one_line("a\x1b[31mb\nc\u202e") == "a [31mb c "
    assert one_line("a\udcff") == "a\\xff"
    assert shorten("a\tb", 10) == "a b"


@pytest.mark.parametrize(
    ("text", "columns"), [("abc", 3), ("한국어", 6), ("é", 1), ("e\u0301", 1), ("", 0), ("가a", 3)]
)
def test_width(text: str, columns: int) -> None:
    assert width(text) == columns


def test_align() -> None:
    assert align([["a", "1", "x"], ["한국", "100", ""]], right=[1]) == ["a       1  x", "한국  100"]
    assert align([]) == []


def test_count() -> None:
    assert [count(number, "path") for number in (0, 1, 8743)] == ["0 paths", "1 path", "8,743 paths"]


def _row(line: int, text: str, reason: str, number: int | None = None, size: int | None = None) -> Row:
    """A row without a layer's number has none, but for those with a size."""
    layer = number is not None or size is not None
    return Row(line, text.partition(" ")[0], text, layer, reason, size if layer else 0, size is not None, number)


SEED = (
    _row(2, "WORKDIR /app", "makes the directory", 14),
    _row(3, "COPY package.json ./", "COPY makes one layer", 15, 1200),
    _row(4, "RUN npm ci", "RUN makes one layer, whether it changes anything on disk or not " * 2, 16),
    _row(5, "COPY . .", "COPY makes one layer", 17),
    _row(6, 'CMD ["node", "server.js"]', "changes the config only"),
)


def test_the_stack_of_the_seed() -> None:
    stack = Stack("Dockerfile", "buildkit", Base("node:14", 14, 944_000_000), SEED, 4)
    assert stack_lines(stack) == [
        "Dockerfile, as buildkit builds it",
        "",
        "line  instruction                layer  bytes  why",
        "      FROM node:14                0-13  944MB  the base brings 14 layers",
        "   2  WORKDIR /app                  14      ?  makes the directory",
        "   3  COPY package.json ./          15  1.2kB  COPY makes one layer",
        "   4  RUN npm ci                    16      ?  RUN makes one layer, whether it changes anything on",
        "                                               disk or not RUN makes one layer, whether it changes",
        "                                               anything on disk or not",
        "   5  COPY . .                      17      ?  COPY makes one layer",
        '   6  CMD ["node", "server.js"]      ·         changes the config only',
        "",
        "base 14 + added 4 = 18 layers, 944MB and what 3 steps will add",
    ]


def test_sums() -> None:
    layers = (_row(2, "RUN a", "", None, 5), _row(3, "RUN b", "", None, 7))
    assert sum_line(Stack("", "", Base("a", 1, 10), layers, 2)) == "base 1 + added 2 = 3 layers, 22B"
    assert sum_line(Stack("", "", Base("a", None, None), layers, 2)) == "base ? + added 2 = ? layers"
    assert sum_line(Stack("", "", Base("scratch", 0, 0), layers[:1], 1)) == "base 0 + added 1 = 1 layer, 5B"
    assert sum_line(Stack("", "", Base("scratch", 0, 0), (), 0)) == "base 0 + added 0 = 0 layers, 0B"


def _measure(added: int, size: int, seconds: float, cached: int = 0) -> Measure:
    return Measure("sha256:x", added, added + 1, size, size // 2, seconds, added, cached)


NOISE = Difference("/log", "content", "1", "2")


def test_a_verdict() -> None:
    proof = Proof(True, 8743, noise=(NOISE,), excused=(NOISE,), declared=(Removal("/c/x", 2000, "/c"),))
    verdict = Verdict(
        proof, _measure(5, 30_000_000, 0.1, 5), _measure(5, 30_000_000, 4.2), _measure(1, 28_000_000, 3.1)
    )
    assert verdict_lines(verdict) == [
        "layers     5 -> 1     above a base of 1 layer",
        "bytes   30MB -> 28MB  unpacked, 2MB less",
        "stored  15MB -> 14MB  compressed, 1MB less",
        "seconds  4.2 -> 3.1   without cache",
        "same state: 8,743 paths compared",
        "removed on purpose: 1 path, 2kB",
        "  /c  1 path, 2kB",
        "noise: two builds of the original already differ on 1 path; those fields do not count",
        "  /log  content",
    ]
    assert verdict_markdown(verdict)[:5] == [
        "| | before | after | |",
        "|---|--:|--:|---|",
        "| layers | 5 | 1 | above a base of 1 layer |",
        "| bytes | 30MB | 28MB | unpacked, 2MB less |",
        "| stored | 15MB | 14MB | compressed, 1MB less |",
    ]


def test_seconds_that_the_cache_spared_are_told() -> None:
    verdict = Verdict(Proof(True, 1), _measure(2, 5, 0.1), _measure(2, 5, 4.0), _measure(2, 5, 0.2, 1))
    assert "1 of 2 steps from the cache" in verdict_lines(verdict)[3]
    assert verdict_lines(verdict)[1].endswith("unpacked")
