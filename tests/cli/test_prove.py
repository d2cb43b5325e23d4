"""``lamella prove`` on images."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lamella.filetree.entry import FILE, Entry
from lamella.oci.config import RunConfig

Put = Callable[..., None]
Call = Callable[..., Any]
PASSWD = {"etc/passwd": b"root:x:0:0\n"}


def test_same_state_in_other_layers(put_image: Put, lamella: Call) -> None:
    put_image("five:1", [PASSWD, {"a": b"1"}, {"b": b"2"}, {"c": b"3"}, {"c": None}])
    put_image("one:1", [{**PASSWD, "a": b"1", "b": b"2"}])
    result = lamella("prove", "five:1", "one:1")
    assert (result.code, result.out) == (0, "same state: 5 paths compared\n")


def test_each_difference_with_both_values(put_image: Put, lamella: Call) -> None:
    put_image("a:1", [{**PASSWD, "x": b"1", "only-a": b""}], config=RunConfig(cmd=("a",)))
    put_image("b:1", [{**PASSWD, "x": b"2", "y": Entry("y", "d", 0o755)}], config=RunConfig(cmd=("b",)))
    result = lamella("prove", "a:1", "b:1")
    assert result.code == 1
    lines = result.out.splitlines()
    assert lines[0] == "different: 3 paths of 6 and 1 config value"
    assert "  /only-a  presence" in lines
    assert "      b:1  absent" in lines
    assert "  /x  content" in lines
    assert "  Cmd  Cmd" in lines
    assert '      a:1  ["a"]' in lines


def test_json(put_image: Put, lamella: Call) -> None:
    put_image("a:1", [{**PASSWD, "x": b"1", "stamp": b"10:00"}])
    put_image("a:again", [{**PASSWD, "x": b"1", "stamp": b"10:01"}])
    put_image("b:1", [{**PASSWD, "x": b"2", "stamp": b"10:02"}])
    result = lamella("prove", "a:1", "b:1", "--noise", "a:again", "--format", "json")
    data = result.json
    assert result.code == 1
    assert (data["schema"], data["same"], data["paths"]) == (1, False, 5)
    assert [(one["path"], one["what"]) for one in data["differences"]] == [("/x", "content")]
    assert set(data["differences"][0]) == {"path", "what", "a", "b"}
    assert [(one["path"], one["what"]) for one in data["noise"]] == [("/stamp", "content")]
    assert data["excused"] == 1
    assert data["declared"] == data["config"] == []
    same = lamella("prove", "a:1", "b:1", "--noise", "a:again", "--ignore", "/x", "--format", "json")
    assert (same.code, same.json["same"], same.json["paths"]) == (0, True, 4)


def test_markdown(put_image: Put, lamella: Call) -> None:
    put_image("a:1", [{"x|y": b"1", "s": b"1"}])
    put_image("a:2", [{"x|y": b"1", "s": b"2"}])
    put_image("b:1", [{"x|y": b"2", "s": b"3"}])
    result = lamella("prove", "a:1", "b:1", "--noise", "a:2", "--format", "markdown")
    assert result.code == 1
    assert result.out.startswith("❌ **Different: 1 path of 3**\n\n| path | what | a:1 | b:1 |\n")
    assert "| `/x\\|y` | content |" in result.out
    assert "<details><summary>Noise: two builds" in result.out
    assert "- `/s`: content" in result.out
    assert lamella("prove", "a:1", "a:1", "--format", "markdown").out == "✅ **Same state: 3 paths compared**\n"


def test_times_are_told_and_do_not_count(put_image: Put, lamella: Call) -> None:
    put_image("a:1", [{"x": Entry("x", FILE, mtime=10**9)}])
    put_image("b:1", [{"x": Entry("x", FILE, mtime=2 * 10**9)}])
    result = lamella("prove", "a:1", "b:1")
    assert result.code == 0
    assert "modification times alone differ on 1 path (they do not count)" in result.out


def test_long_lists_are_cut_and_counted(put_image: Put, lamella: Call) -> None:
    put_image("a:1", [{f"f{number:03}": b"" for number in range(100)}])
    put_image("b:1", [{}])
    out = lamella("prove", "a:1", "b:1").out
    assert out.splitlines()[0] == "different: 100 paths of 101"
    assert "  … and 60 differences more" in out
    assert all(len(line) < 100 for line in out.splitlines())


def test_images_in_an_oci_layout(put_image: Put, lamella: Call, store_root: Path) -> None:
    put_image("a:1", [PASSWD])
    assert lamella("prove", "a:1", f"oci:{store_root}").code == 0


BAD = [
    (("prove", "a:1", "nothing"), "the store has no image 'nothing'"),
    (("prove", "a:1"), "the following arguments are required: B"),
    (("prove", "a:1", "a:1", "--ignore", "/"), "would match everything"),
    (("prove", "a:1", "a:1", "--target", "x"), "--target is for Dockerfiles"),
    (("prove", "a:1", "a:1", "--format", "xml"), "invalid choice: 'xml'"),
]


@pytest.mark.parametrize(("arguments", "message"), BAD, ids=[message for _, message in BAD])
def test_bad_input(arguments: tuple[str, ...], message: str, put_image: Put, lamella: Call) -> None:
    put_image("a:1", [PASSWD])
    result = lamella(*arguments)
    assert result.code == 2
    assert result.out == ""
    assert message in result.err and "hint:" in result.err


def test_a_dockerfile_and_an_image(put_image: Put, lamella: Call, tmp_path: Path) -> None:
    put_image("a:1", [PASSWD])
    (tmp_path / "Dockerfile").write_text("FROM scratch\n")
    result = lamella("prove", "a:1", str(tmp_path))
    assert result.code == 2
    assert "is a Dockerfile and a:1 an image" in result.err
