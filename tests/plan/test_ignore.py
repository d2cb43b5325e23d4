"""The ignore file against a table of decisions that a real Docker made, building with the ignore file over the paths:
"judge" has its version (recorded by tests/conformance/record_tables.py)."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamella.errors import ContextError
from lamella.plan.ignore import Decision, parse_ignore

ROWS = [
    json.loads(line)
    for line in (Path(__file__).parent.parent / "data" / "plan" / "ignore.jsonl").read_text("utf-8").splitlines()
]


def name(row: dict[str, Any]) -> str:
    return f"{row['ignore']!r} {row.get('path', '')}"


@pytest.mark.parametrize("row", [row for row in ROWS if "path" in row], ids=name)
def test_case(row: dict[str, Any]) -> None:
    decision = parse_ignore(row["ignore"], ".dockerignore").decide(row["path"])
    assert decision.ignored is row["ignored"]
    assert decision.line == row["line"]


@pytest.mark.parametrize("row", [row for row in ROWS if "error" in row], ids=name)
def test_bad_pattern(row: dict[str, Any]) -> None:
    with pytest.raises(ContextError) as caught:
        parse_ignore(row["ignore"], "x.dockerignore")
    assert caught.value.where == f"x.dockerignore:{row['error']}"
    assert caught.value.exit_code == 2


def test_the_table_is_long_enough() -> None:
    assert sum("path" in row for row in ROWS) >= 250
    assert all(row["judge"].startswith("docker 26") for row in ROWS)


def test_a_decision_names_the_line_as_written() -> None:
    file = parse_ignore("# junk\n/build/ \n! build/keep\n", ".dockerignore")
    assert file.decide("build/x") == Decision(True, 2, "/build/")
    assert file.decide("build/keep") == Decision(False, 3, "! build/keep")
    assert file.decide("src") == Decision(False, None, None)
    assert file.decide("") == Decision(False, None, None)
    assert file.name == ".dockerignore"


def test_the_order_of_questions_does_not_matter() -> None:
    text = "a\n!a/b\na/b/c\n"
    paths = ["a/b/c/d", "a/b/x", "a/q", "a", "a/b", "z"]
    forwards, backwards = parse_ignore(text, "i"), parse_ignore(text, "i")
    assert [forwards.decide(path) for path in paths] == [backwards.decide(path) for path in reversed(paths)][::-1]


@pytest.mark.parametrize(
    ("text", "path", "expected"),
    [
        ("a", "a", True),
        ("a", "b", False),
        ("a\n!b", "a", True),
        ("a\n!a/b", "a", False),
        ("a\n!a/b", "a/c", True),
        ("a\n!**/x", "a", False),
        ("a\n!a*/x", "a/c", True),
        ("*\n!src/*.c", "src", False),
        ("*\n!src/*.c", "lib", True),
        ("*\n!s?c/x/y", "src", False),
        ("*\n!s?c/x/y", "src/x", False),
        ("*\n!s?c/x/y", "src/z", True),
    ],
)
def test_folders_that_need_no_look_inside(text: str, path: str, expected: bool) -> None:
    assert parse_ignore(text, "i").may_skip_directory(path) is expected


def test_folders_deeper_than_python_recurses() -> None:
    file = parse_ignore("**/z\na/**\n!a/a\n", "i")
    path = "/".join("a" * 2_000)
    assert not file.decide(path).ignored
    assert file.decide("b/" + path + "/z").ignored


def test_twenty_thousand_paths_are_decided_quickly() -> None:
    lines = [f"**/*.x{number}\nfolder{number}\nsub{number}/*.y" for number in range(10)]
    file = parse_ignore("\n".join([*lines, "node_modules", "!keep.me"]), "i")
    paths = [f"src/p{i % 50}/q{i % 7}/file{i}.py" for i in range(16_000)]
    paths += [f"node_modules/p{i % 100}/f{i}.js" for i in range(4_000)]
    begin = time.process_time()
    ignored = sum(file.decide(path).ignored for path in paths)
    assert ignored == 4_000
    assert time.process_time() - begin < 3  # of this process alone: 0.07 s; many minutes if it were quadratic


PATTERNS = st.lists(
    st.tuples(st.booleans(), st.text(alphabet="ab/*?", min_size=1, max_size=6).filter(lambda text: text.strip("/"))),
    max_size=5,
)
PATHS = st.lists(st.text(alphabet="ab", min_size=1, max_size=2), min_size=1, max_size=4).map("/".join)


def slow_match(pattern: str, path: str) -> bool:
    """One pattern, by trying everything. A leading or trailing ** is text at its other end."""
    if pattern.startswith("**") and not re.search(r"[*?]", pattern[2:]):
        return path.endswith(pattern[2:]) or (pattern[2:3] == "/" and path == pattern[3:])
    if pattern.startswith("**"):
        rest = pattern[2:].removeprefix("/")
        if not rest:
            return True
        return slow_rest(rest, path) or any(slow_rest(rest, path[cut + 1 :]) for cut, c in enumerate(path) if c == "/")
    return slow_rest(pattern, path)


def slow_rest(pattern: str, path: str) -> bool:
    if not pattern:
        return not path
    if pattern.startswith("**"):
        rest = pattern[2:].removeprefix("/")
        if not rest:
            return True
        return slow_rest(rest, path) or any(slow_rest(rest, path[cut + 1 :]) for cut, c in enumerate(path) if c == "/")
    if pattern[0] == "*":
        return slow_rest(pattern[1:], path) or (bool(path) and path[0] != "/" and slow_rest(pattern, path[1:]))
    if not path:
        return False
    return (pattern[0] == path[0] or (pattern[0] == "?" and path[0] != "/")) and slow_rest(pattern[1:], path[1:])


@given(PATTERNS, PATHS)
def test_a_slow_model_agrees(patterns: list[tuple[bool, str]], path: str) -> None:
    text = "\n".join(("!" if exception else "") + pattern for exception, pattern in patterns)
    inherited = [False] * len(patterns)
    parts = path.split("/")
    ignored = False
    for depth in range(1, len(parts) + 1):
        here = "/".join(parts[:depth])
        ignored = False
        for number, (exception, pattern) in enumerate(patterns):
            cleaned = re.sub("/+", "/", pattern).strip("/")
            if not inherited[number]:
                inherited[number] = exception == ignored and slow_match(cleaned, here)
            if inherited[number]:
                ignored = not exception
    assert parse_ignore(text, "i").decide(path).ignored is ignored


@given(PATTERNS, PATHS, PATHS)
def test_what_may_be_skipped_holds_nothing(patterns: list[tuple[bool, str]], folder: str, below: str) -> None:
    text = "\n".join(("!" if exception else "") + pattern for exception, pattern in patterns)
    file = parse_ignore(text, "i")
    if file.may_skip_directory(folder):
        assert file.decide(f"{folder}/{below}").ignored


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        parse_ignore(text, "i").decide("a/b")
    except ContextError as error:
        assert error.where is not None
