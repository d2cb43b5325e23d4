"""``lamella diff``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lamella.oci.config import RunConfig

Put = Callable[..., None]
Call = Callable[..., Any]


def test_the_same_image(put_image: Put, lamella: Call) -> None:
    put_image("a:1", [{"x": b"1"}])
    result = lamella("diff", "a:1", "a:1")
    assert result.code == 0
    assert result.out.splitlines() == [
        "layers: 1 layer in common",
        "paths: the same 2",
        "config: the same",
        "bytes: 1B in a:1, 1B in a:1",
    ]


def test_by_layer_and_by_path(put_image: Put, lamella: Call) -> None:
    base = {"base": b"0" * 100}
    put_image("a:1", [base, {"x": b"1", "gone": b"12"}], ["ADD base", "COPY x x"], RunConfig(env=("A=1",)))
    put_image("b:1", [base, {"x": b"123"}, {"new": b"1234"}], ["ADD base", "COPY y x", "RUN make"])
    result = lamella("diff", "a:1", "b:1")
    assert result.code == 1
    assert result.out.splitlines() == [
        "layers: 1 layer in common, 1 only in the first, 2 only in the second",
        "  - 1  3B  COPY x x",
        "  + 1  3B  COPY y x",
        "  + 2  4B  RUN make",
        "paths: 1 added, 1 removed, 1 modified of 5",
        "  -   2B  layer 1  /gone",
        "  +   4B  layer 2  /new",
        "  ~  +2B  layer 1  /x     content",
        "config: 1 difference",
        '  ~ Env.A  "1" → absent',
        "bytes: 103B in a:1, 107B in b:1",
    ]


def test_json(put_image: Put, lamella: Call) -> None:
    put_image("a:1", [{"x": b"1"}, {"y": b"1"}], ["COPY x", "COPY y"])
    put_image("b:1", [{"y": b"1"}, {"x": b"1"}, {"x": b"2", "z": b""}], ["COPY y", "COPY x", "COPY z"])
    result = lamella("diff", "a:1", "b:1", "--format", "json")
    assert result.code == 1
    data = result.json
    assert data["schema"] == 1 and data["same"] is False and data["same_layers"] is False
    assert (data["layers"]["below"], data["layers"]["elsewhere"], data["layers"]["a"]) == (0, 2, [])
    assert [layer["text"] for layer in data["layers"]["b"]] == ["COPY z"]
    assert data["paths"] == [
        {
            "path": "/x",
            "change": "modified",
            "what": ["content"],
            "a_bytes": 1,
            "b_bytes": 1,
            "a_layer": 0,
            "b_layer": 2,
        },
        {"path": "/z", "change": "added", "what": [], "a_bytes": 0, "b_bytes": 0, "a_layer": None, "b_layer": 2},
    ]


def test_the_same_state_in_other_layers_is_a_difference_of_layers(put_image: Put, lamella: Call) -> None:
    put_image("a:1", [{"x": b"1"}, {"y": b"1"}])
    put_image("b:1", [{"x": b"1", "y": b"1"}])
    result = lamella("diff", "a:1", "b:1", "--format", "json")
    assert (result.code, result.json["same"], result.json["same_layers"]) == (1, True, False)
    assert result.json["paths"] == []


def test_ignored_paths(put_image: Put, lamella: Call) -> None:
    put_image("a:1", [{"x": b"1"}, {"log/a": b"1"}])
    put_image("b:1", [{"x": b"1"}, {"log/a": b"2"}])
    assert "paths: 1 modified" in lamella("diff", "a:1", "b:1").out
    assert "paths: the same 2" in lamella("diff", "a:1", "b:1", "--ignore", "log").out


def test_bad_input(put_image: Put, lamella: Call) -> None:
    put_image("app:1", [{"x": b"1"}])
    result = lamella("diff", "app:1", "app:2")
    assert result.code == 2
    assert "no image 'app:2'" in result.err and "hint: did you mean app:1?" in result.err
