"""COPY's patterns against a table recorded from Go's filepath.Match (null: Go calls the pattern bad)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamella.errors import ContextError
from lamella.plan.glob import compile_glob, has_magic, match

CASES = [
    json.loads(line)
    for line in (Path(__file__).parent.parent / "data" / "plan" / "glob.jsonl").read_text("utf-8").splitlines()
]


@pytest.mark.parametrize(("pattern", "name", "expected"), CASES)
def test_case(pattern: str, name: str, expected: bool | None) -> None:
    if expected is None:
        with pytest.raises(ContextError) as caught:
            match(pattern, name, "Dockerfile:4")
        assert caught.value.where == "Dockerfile:4"
        assert caught.value.code == "bad-pattern"
    else:
        assert match(pattern, name) is expected


def test_the_table_is_long_enough() -> None:
    assert len(CASES) >= 250


@pytest.mark.parametrize(
    ("pattern", "magic"), [("a/b.c", False), ("*", True), ("a?", True), ("[a]", True), ("a\\*", True), ("a]", False)]
)
def test_has_magic(pattern: str, magic: bool) -> None:
    assert has_magic(pattern) is magic


def test_a_pattern_without_magic_matches_itself_only() -> None:
    assert match("a.b+c", "a.b+c")
    assert not match("a.b+c", "axb+c")
    assert not match("a.b+c", "a.b+c/d")
    assert not match("a.b+c", "a.b+c\n")


@given(st.text(alphabet="ab/*?", max_size=8), st.text(alphabet="ab/", max_size=8))
def test_a_slow_matcher_agrees(pattern: str, name: str) -> None:
    def matches(pattern: str, name: str) -> bool:
        if not pattern:
            return not name
        if pattern[0] == "*":
            return matches(pattern[1:], name) or (bool(name) and name[0] != "/" and matches(pattern, name[1:]))
        if not name:
            return False
        return (pattern[0] == name[0] or (pattern[0] == "?" and name[0] != "/")) and matches(pattern[1:], name[1:])

    assert match(pattern, name) is matches(pattern, name)


@given(st.text(min_size=1))
def test_an_escaped_text_matches_itself(text: str) -> None:
    assert match("".join("\\" + character for character in text), text)


def test_many_stars_do_not_explode() -> None:
    glob = compile_glob("*a" * 40 + "*b")
    assert not glob.match("a" * 2000)
