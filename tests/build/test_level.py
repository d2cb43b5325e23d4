"""The file system of a stage: one level a layer, shared by the stages that stand on it."""

from __future__ import annotations

from typing import Any

Builder = Any


def test_a_stage_does_not_change_what_others_stand_on(builder: Builder) -> None:
    builder.file("f", "content")
    text = (
        "FROM scratch AS base\nCOPY f /base\n"
        "FROM base AS one\nWORKDIR /x\nCOPY f /x/y/f\nCOPY f /x/z/f\n"
        "FROM base\nCOPY --from=one /x/z /q\nWORKDIR /x\nCOPY --from=base / /from-base\n"
    )
    result = builder.build(text)
    assert sorted(path for path in builder.tree(result) if path) == [
        "base",
        "from-base",
        "from-base/base",
        "q",
        "q/f",
        "x",
    ]
    assert builder.layer_paths(result, 2) == ["x"]
