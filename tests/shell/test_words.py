"""Variable expansion against a table whose results were recorded from a real Docker ("judge": docker with its version,
by tests/conformance/record_tables.py), from bash where the builder follows the shell ("bash"), or follow from the
written rules ("rules")."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamella.errors import DockerfileError
from lamella.shell.words import analyse, expand, expand_body, expand_for_display, expand_words

ROWS = [
    json.loads(line)
    for line in (Path(__file__).parent.parent / "data" / "shell" / "words.jsonl").read_text("utf-8").splitlines()
]
VARIABLES: dict[str, str] = ROWS[0]["variables"]
CASES = [row for row in ROWS[1:] if "result" in row]
ERRORS = [row for row in ROWS[1:] if "error" in row]


def name(row: dict[str, Any]) -> str:
    return f"{row['text']} ({row.get('escape', '')})"


def test_the_table_is_long_enough() -> None:
    assert len(ROWS) > 300
    assert sum("docker 26" in row["judge"] for row in ROWS[1:]) >= 300


@pytest.mark.parametrize("row", CASES, ids=name)
def test_case(row: dict[str, Any]) -> None:
    escape = row.get("escape", "\\")
    got = analyse(row["text"], VARIABLES.get, escape=escape, where="Dockerfile:1")
    assert got.text == row["result"]
    assert list(got.words) == row.get("words", [row["result"]] if row["result"] else [])
    assert list(got.unset) == row.get("unset", [])
    assert expand(row["text"], VARIABLES.get, escape=escape, where="Dockerfile:1") == row["result"]


@pytest.mark.parametrize("row", ERRORS, ids=name)
def test_error(row: dict[str, Any]) -> None:
    with pytest.raises(DockerfileError) as caught:
        expand(row["text"], VARIABLES.get, where="Dockerfile:7")
    assert caught.value.where == "Dockerfile:7"
    assert caught.value.exit_code == 2


@pytest.mark.peer
def test_bash_agrees_where_the_table_says_so() -> None:
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("bash is not installed")
    rows = [row for row in CASES if row["judge"].startswith("bash")]
    words = [row["text"] if '"' in row["text"] else f'"{row["text"]}"' for row in rows]
    script = "shopt -u patsub_replacement 2>/dev/null; printf '%s\\n' " + " ".join(words)
    done = subprocess.run([bash, "-c", script], env={**VARIABLES, "LC_ALL": "C.UTF-8"}, capture_output=True, check=True)
    assert done.stdout.decode().splitlines() == [row["result"] for row in rows]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("${u:?pass --build-arg u}", "u: pass --build-arg u"),
        ("${u?}", "u is not set"),
        ("${e:?}", "e is empty"),
        ("${v^^}", "'^' after the name 'v' has no meaning"),
        ("${v:1}", "':1' after the name 'v' has no meaning"),
        ("${v:-x", "'}' is missing"),
        ("a'b", "a single quote is not closed"),
        ('a"b', "a double quote is not closed"),
        ("${v#\\n}", "'\\n' is no escape in a pattern"),
    ],
)
def test_messages(text: str, message: str) -> None:
    with pytest.raises(DockerfileError, match="cannot expand") as caught:
        expand(text, VARIABLES.get, where="Dockerfile:3")
    assert message in caught.value.message


def test_words_are_cut_after_expansion_and_not_in_quotes() -> None:
    lookup = {"ports": " 80 443/udp ", "empty": ""}.get
    assert expand_words("$ports 8080", lookup, where="") == ("80", "443/udp", "8080")
    assert expand_words('"$ports"', lookup, where="") == (" 80 443/udp ",)
    assert expand_words('$empty "" a', lookup, where="") == ("a",)
    assert expand_words("a\\ b\tc\n d\u3000e", lookup, where="") == ("a b", "c", "d", "e")


def test_a_heredoc_body_keeps_its_quotes() -> None:
    lookup = {"v": "1"}.get
    assert expand_body("a=\"$v\" b='$v' \\$v \\\\ \\n\n", lookup, where="") == "a=\"1\" b='1' $v \\ n\n"
    assert expand_body("it's\n", lookup, where="") == "it's\n"


def test_display_text_keeps_quotes_and_what_is_not_known() -> None:
    lookup = {"v": "1"}.get
    text = "run \"$v\" '$v' $u ${u} ${u:-x} ${u%y} ${u//a/b}"
    assert expand_for_display(text, lookup) == "run \"1\" '$v' $u ${u} ${u:-x} ${u%y} ${u//a/b}"
    assert expand_for_display('echo "$v', lookup) == 'echo "$v'


def test_used_and_unset_are_reported_once_in_order() -> None:
    got = analyse("$b $a $x $b ${x:-$y}", {"a": "1", "b": ""}.get, where="")
    assert got.used == ("b", "a")
    assert got.unset == ("x", "y")


def test_deep_nesting_is_refused_not_a_crash() -> None:
    with pytest.raises(DockerfileError, match="nested too deeply"):
        expand("${u:-" * 5000 + "}" * 5000, VARIABLES.get, where="Dockerfile:1")


def test_a_pattern_full_of_stars_is_matched_in_time() -> None:
    value = "a" * 300
    assert expand("${long##" + "*a" * 60 + "*b}", {"long": value}.get, where="") == value


@given(st.text(st.characters(exclude_characters="$\\\"'")))
def test_text_without_special_characters_stays(text: str) -> None:
    assert expand(text, VARIABLES.get, where="") == text
    assert analyse(text, VARIABLES.get, where="").text == text


@given(st.text())
def test_single_quotes_protect_everything(text: str) -> None:
    quoted = "'" + text.replace("'", "'\\''") + "'"
    assert expand(quoted, VARIABLES.get, where="") == text


@given(st.text())
def test_escaping_every_character_gives_the_text_back(text: str) -> None:
    assert expand("".join("\\" + character for character in text), VARIABLES.get, where="") == text


@given(st.text(alphabet="$v{}:-+?#%/\\\"' ab*`", max_size=40))
def test_any_text_is_expanded_or_refused(text: str) -> None:
    try:
        analyse(text, VARIABLES.get, where="Dockerfile:1")
    except DockerfileError as error:
        assert error.where == "Dockerfile:1"


@given(st.text(alphabet="ab.", max_size=12), st.text(alphabet="ab.*?", max_size=6))
def test_prefix_and_suffix_agree_with_a_slow_matcher(value: str, pattern: str) -> None:
    def matches(pattern: str, text: str) -> bool:
        if not pattern:
            return not text
        if pattern[0] == "*":
            return any(matches(pattern[1:], text[cut:]) for cut in range(len(text) + 1))
        return bool(text) and pattern[0] in ("?", text[0]) and matches(pattern[1:], text[1:])

    cuts = [cut for cut in range(len(value) + 1) if matches(pattern, value[:cut])]
    lookup = {"x": value}.get
    assert expand(f"${{x#{pattern}}}", lookup, where="") == (value[cuts[0] :] if cuts else value)
    assert expand(f"${{x##{pattern}}}", lookup, where="") == (value[cuts[-1] :] if cuts else value)
    tails = [cut for cut in range(len(value) + 1) if matches(pattern, value[cut:])]
    assert expand(f"${{x%{pattern}}}", lookup, where="") == (value[: tails[-1]] if tails else value)
    assert expand(f"${{x%%{pattern}}}", lookup, where="") == (value[: tails[0]] if tails else value)
