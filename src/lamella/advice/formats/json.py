"""For programs. The shape is versioned by ``schema``."""

from __future__ import annotations

import json
from collections.abc import Sequence

from lamella.advice.protocol import Finding
from lamella.advice.report import FileReport


def render(reports: Sequence[FileReport]) -> str:
    return json.dumps({"schema": 1, "files": [_file(report) for report in reports]}, indent=2)


def _file(report: FileReport) -> dict[str, object]:
    shape: dict[str, object] = {"file": report.name, "findings": [_finding(each) for each in report.findings]}
    if report.error is not None:
        message, where, hint = report.error
        shape["error"] = {"message": message, "where": where, "hint": hint}
    return shape


def _finding(finding: Finding) -> dict[str, object]:
    return {
        "rule": finding.rule,
        "severity": finding.severity,
        "line": finding.line,
        "end_line": finding.end_line,
        "message": finding.message,
        "hint": finding.hint,
        "fixable": finding.fixable,
        "bytes": finding.bytes,
    }
