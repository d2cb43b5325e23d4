"""``lamella build`` says why steps were not in the cache, to those who want to know."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Lamella = Callable[..., Any]


@pytest.fixture
def context(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "app"
    folder.mkdir()
    monkeypatch.chdir(folder)
    (folder / "Dockerfile").write_text("FROM scratch\nCOPY src /src\nWORKDIR /srv\n")
    (folder / "src").mkdir()
    (folder / "src" / "a.py").write_text("1")
    return folder


@pytest.mark.parametrize("flags", [["--explain-cache"], ["--progress", "plain"]])
def test_a_line_for_each_reason(lamella: Lamella, context: Path, flags: list[str]) -> None:
    assert lamella("build", ".").code == 0
    (context / "src" / "a.py").write_text("2")
    lines = lamella("build", *flags, ".").err.splitlines()
    assert "#1 missed: the file src/a.py changed (content)" in lines
    assert "#2 missed: the step above it was made again (Dockerfile:2)" in lines


@pytest.mark.parametrize("flags", [[], ["-q", "--explain-cache"]])
def test_nothing_is_said_to_others(lamella: Lamella, context: Path, flags: list[str]) -> None:
    assert "missed" not in lamella("build", *flags, ".").err


def test_as_json(lamella: Lamella, context: Path) -> None:
    lamella("build", ".")
    (context / "src" / "a.py").chmod(0o600)
    lines = lamella("build", "--progress", "json", ".").err.splitlines()
    missed = [event for event in map(json.loads, lines) if event["event"] == "cache_missed"]
    assert missed[0] == {
        "event": "cache_missed",
        "step": "0.0",
        "reasons": [
            {"what": "file", "name": "src/a.py", "change": "mode", "before": "644", "after": "600", "where": ""}
        ],
    }
