"""Every rule against its own examples, and against the pass that mends it."""

from __future__ import annotations

import re

import pytest

from lamella.advice.protocol import SEVERITIES, Rule
from lamella.advice.runner import advise, all_rules
from lamella.rewrite.runner import all_passes, rewrite
from lamella.syntax.parser import parse

RULES = all_rules()
VALID = [
    pytest.param(rule, text, id=f"{rule.name}-{number}") for rule in RULES for number, text in enumerate(rule.valid)
]
INVALID = [
    pytest.param(rule, text, id=f"{rule.name}-{number}") for rule in RULES for number, text in enumerate(rule.invalid)
]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_well_formed(rule: Rule) -> None:
    assert re.fullmatch(r"[a-z][a-z-]+", rule.name)
    assert rule.severity in SEVERITIES
    assert rule.summary
    assert not rule.summary.endswith(".")
    assert len(rule.docs) > 100
    assert rule.valid
    assert rule.invalid


@pytest.mark.parametrize(("rule", "text"), VALID)
def test_valid_examples(rule: Rule, text: str) -> None:
    assert advise(parse(text), only=[rule.name]) == ()


@pytest.mark.parametrize(("rule", "text"), INVALID)
def test_invalid_examples(rule: Rule, text: str) -> None:
    findings = advise(parse(text), only=[rule.name])
    assert findings
    for finding in findings:
        assert finding.rule == rule.name
        assert 1 <= finding.line <= finding.end_line <= text.count("\n") + 1
        assert text[: finding.span.start].count("\n") + 1 == finding.line
        assert finding.message
        assert finding.hint
        assert finding.bytes is None


@pytest.mark.parametrize(("rule", "text"), INVALID)
def test_fixable_means_that_the_pass_mends_it(rule: Rule, text: str) -> None:
    passes = {each.name: each for each in all_passes()}
    findings = advise(parse(text), only=[rule.name])
    assert {finding.fixable for finding in findings} == {rule.fixed_by is not None}
    if rule.fixed_by is None:
        assert not any(rule.name in each.rules for each in passes.values())
        return
    assert rule.name in passes[rule.fixed_by].rules
    fixed = rewrite(parse(text), only=[rule.name], unsafe=True)
    assert fixed.changed
    assert advise(parse(fixed.text), only=[rule.name]) == ()
