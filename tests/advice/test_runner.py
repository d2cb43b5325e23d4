"""Choosing rules, ignore comments, severities, and the formats."""

from __future__ import annotations

import json

import pytest

from lamella.advice.protocol import Finding
from lamella.advice.report import FileReport, all_formats, render
from lamella.advice.runner import advise, at_least, choose
from lamella.errors import DockerfileError, UsageError
from lamella.syntax.nodes import Span
from lamella.syntax.parser import parse

TEXT = "FROM a\nRUN b\nRUN c\nRUN d\nCOPY e f\nRUN g\nRUN h\n"


def findings(text: str) -> list[tuple[int, int, str]]:
    return [(each.line, each.end_line, each.message) for each in advise(parse(text))]


def test_consecutive_runs_says_what_it_saves() -> None:
    assert findings(TEXT) == [
        (2, 4, "the 3 RUNs on lines 2, 3 and 4 can be one, which saves 2 layers"),
        (6, 7, "the 2 RUNs on lines 6 and 7 can be one, which saves 1 layer"),
    ]


def test_ignore_comments() -> None:
    assert findings(TEXT.replace("RUN b", "# lamella: ignore=consecutive-runs\nRUN b")) == [
        (4, 5, "the 2 RUNs on lines 4 and 5 can be one, which saves 1 layer"),
        (7, 8, "the 2 RUNs on lines 7 and 8 can be one, which saves 1 layer"),
    ]
    assert len(findings(TEXT.replace("RUN b", "# lamella: ignore=other\nRUN b"))) == 2
    assert len(findings(TEXT.replace("RUN b", "# lamella: ignore=consecutive-runs\n\nRUN b"))) == 2


def test_choosing() -> None:
    assert advise(parse(TEXT), skip=["consecutive-runs"]) == ()
    assert len(advise(parse(TEXT), only=["consecutive-runs"])) == 2
    with pytest.raises(UsageError, match="no rule 'x'"):
        choose(["x"], [])
    with pytest.raises(DockerfileError, match="unknown instruction"):
        advise(parse("FROM a\nRUM b\n"))


def finding(severity: str, size: int | None = None) -> Finding:
    return Finding("a-rule", severity, "sub/Dockerfile", Span(0, 1), 3, 4, "a message", "a hint", True, size)


@pytest.mark.parametrize(
    ("severity", "limit", "fails"),
    [
        ("error", "error", True),
        ("warning", "error", False),
        ("warning", "warning", True),
        ("error", "warning", True),
        ("info", "warning", False),
        ("info", "info", True),
    ],
)
def test_fail_on(severity: str, limit: str, fails: bool) -> None:
    assert at_least([finding(severity)], limit) == fails
    assert not at_least([], limit)


def test_text_format() -> None:
    reports = [FileReport("sub/Dockerfile", (finding("warning"), finding("error", 12)))]
    assert render(reports, "text") == (
        "sub/Dockerfile:3: warning: a message [a-rule]\n"
        "  hint: a hint\n"
        "sub/Dockerfile:3: error: a message [a-rule]\n"
        "  costs 12 bytes\n"
        "  hint: a hint\n"
        "\n"
        "2 findings (1 error, 1 warning), 2 of them for lamella fix"
    )
    assert render([FileReport("a")], "text") == "no findings"
    assert render([FileReport("a", error=("bad", "a:1", None))], "text") == ""


def test_json_format() -> None:
    reports = [FileReport("a", (finding("info", 5),)), FileReport("b", error=("bad", "b:1", None))]
    assert json.loads(render(reports, "json")) == {
        "schema": 1,
        "files": [
            {
                "file": "a",
                "findings": [
                    {
                        "rule": "a-rule",
                        "severity": "info",
                        "line": 3,
                        "end_line": 4,
                        "message": "a message",
                        "hint": "a hint",
                        "fixable": True,
                        "bytes": 5,
                    }
                ],
            },
            {"file": "b", "findings": [], "error": {"message": "bad", "where": "b:1", "hint": None}},
        ],
    }


def test_formats_are_found() -> None:
    formats = all_formats()
    assert formats[0] == "text"
    assert "json" in formats
    for name in formats:
        assert isinstance(render([FileReport("a", (finding("warning"),))], name), str)
