"""For people: one finding on two or three lines."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from lamella.advice.protocol import SEVERITIES, Finding
from lamella.advice.report import FileReport


def render(reports: Sequence[FileReport]) -> str:
    findings = [finding for report in reports for finding in report.findings]
    if not findings:
        return "" if any(report.error for report in reports) else "no findings"
    return "\n".join([*map(_finding, findings), "", _summary(findings)])


def _finding(finding: Finding) -> str:
    lines = [f"{finding.where}: {finding.severity}: {finding.message} [{finding.rule}]"]
    if finding.bytes is not None:
        lines.append(f"  costs {finding.bytes} bytes")
    return "\n".join([*lines, f"  hint: {finding.hint}"])


def _summary(findings: Sequence[Finding]) -> str:
    counts = Counter(finding.severity for finding in findings)
    parts = [f"{counts[severity]} {severity}" for severity in SEVERITIES if counts[severity]]
    fixable = sum(finding.fixable for finding in findings)
    noun = "finding" if len(findings) == 1 else "findings"
    return f"{len(findings)} {noun} ({', '.join(parts)}), {fixable} of them for lamella fix"
