"""Finds the rules, runs them, and takes out what a comment says to ignore."""

from __future__ import annotations

from collections.abc import Collection
from importlib import import_module

from lamella.advice.facts import Facts
from lamella.advice.protocol import SEVERITIES, Finding, Hit, Rule
from lamella.errors import UsageError
from lamella.plan.pragma import read_pragma
from lamella.shell.dialect import DEFAULT_SHELL
from lamella.syntax.nodes import Document


def all_rules() -> tuple[Rule, ...]:
    """Every rule there is, by name: one for each module of ``advice/rules``."""
    import pkgutil

    from lamella.advice import rules

    names = [module.name for module in pkgutil.iter_modules(rules.__path__)]
    found: list[Rule] = [import_module(f"{rules.__name__}.{name}").RULE for name in names]
    return tuple(sorted(found, key=lambda rule: rule.name))


def advise(
    document: Document,
    only: Collection[str] = (),
    skip: Collection[str] = (),
    target: str | None = None,
    shell: tuple[str, ...] = DEFAULT_SHELL,
) -> tuple[Finding, ...]:
    """Findings in the order of the lines, the graver first.

    Raises DockerfileError for a document that cannot be built, InputError for an unknown target, UsageError for a name
    in ``only`` or ``skip`` that is no rule.
    """
    facts = Facts(document, target, shell)
    found = [
        Finding(
            rule=rule.name,
            severity=rule.severity,
            name=document.name,
            span=hit.span,
            line=hit.lines[0],
            end_line=hit.lines[1],
            message=hit.message,
            hint=hit.hint,
            fixable=rule.fixed_by is not None,
        )
        for rule in choose(only, skip)
        for hit in rule.check(facts)
        if not _ignored(document, rule, hit)
    ]
    return tuple(sorted(found, key=lambda each: (each.line, SEVERITIES.index(each.severity), each.rule)))


def choose(only: Collection[str], skip: Collection[str]) -> tuple[Rule, ...]:
    rules = all_rules()
    known = {rule.name for rule in rules}
    for name in sorted({*only, *skip} - known):
        raise UsageError(f"there is no rule {name!r}", hint=f"there are: {', '.join(sorted(known))}")
    return tuple(rule for rule in rules if (not only or rule.name in only) and rule.name not in skip)


def at_least(findings: Collection[Finding], severity: str) -> bool:
    """Whether one of them is as grave as ``severity`` or graver."""
    limit = SEVERITIES.index(severity)
    return any(SEVERITIES.index(each.severity) <= limit for each in findings)


def _ignored(document: Document, rule: Rule, hit: Hit) -> bool:
    """``# lamella: ignore=rule`` stands above the instruction that the finding begins in."""
    for node in document.instructions:
        if node.line <= hit.lines[0] <= node.end_line:
            return read_pragma(document, node).ignores(rule.name)
    return False
