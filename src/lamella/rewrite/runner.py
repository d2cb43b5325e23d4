"""Runs the passes in their order. After each one the text is parsed again, checked, and fixed again without effect."""

from __future__ import annotations

from collections.abc import Collection
from importlib import import_module
from typing import NamedTuple

from lamella.errors import LamellaError, UsageError
from lamella.rewrite.protocol import DEFAULT_SCOPE, UNSAFE, Change, LeftAlone, Pass, PassResult, Scope
from lamella.syntax.edits import apply_edits
from lamella.syntax.nodes import Document
from lamella.syntax.parser import parse
from lamella.syntax.typed import type_document


class Stage(NamedTuple):
    """The text as it stood after a pass that changed it."""

    pass_name: str
    text: str


class Rewrite(NamedTuple):
    """``text`` is the new text, equal to the old one where nothing was changed. ``history`` has one entry for each
    pass that changed something; ``declared`` are the paths that are removed from the image on purpose."""

    original: Document
    text: str
    changes: tuple[Change, ...] = ()
    left: tuple[LeftAlone, ...] = ()
    declared: tuple[str, ...] = ()
    history: tuple[Stage, ...] = ()

    @property
    def changed(self) -> bool:
        return self.text != self.original.text

    @property
    def layers(self) -> int:
        """How many layers fewer."""
        return sum(change.layers for change in self.changes)


def all_passes() -> tuple[Pass, ...]:
    """Every pass there is, in order: one for each module of ``rewrite/passes``."""
    import pkgutil

    from lamella.rewrite import passes

    names = [module.name for module in pkgutil.iter_modules(passes.__path__)]
    found: list[Pass] = [import_module(f"{passes.__name__}.{name}").PASS for name in names]
    return tuple(sorted(found, key=lambda each: (each.order, each.name)))


def rewrite(
    document: Document,
    only: Collection[str] = (),
    skip: Collection[str] = (),
    unsafe: bool = False,
    scope: Scope = DEFAULT_SCOPE,
) -> Rewrite:
    """``only`` and ``skip`` name passes, or rules whose findings they mend.

    Raises DockerfileError for a document that cannot be built, InputError for an unknown target, UsageError for a name
    in ``only`` or ``skip`` that is neither pass nor rule.
    """
    result = Rewrite(document, document.text)
    for each in choose(only, skip, unsafe):
        result = _run(each, result, scope)
    return result


def choose(only: Collection[str], skip: Collection[str], unsafe: bool) -> tuple[Pass, ...]:
    passes = all_passes()
    wanted, unwanted = frozenset(only), frozenset(skip)
    known = {name for each in passes for name in (each.name, *each.rules)}
    for name in sorted((wanted | unwanted) - known):
        raise UsageError(f"there is no fix {name!r}", hint=f"there are: {', '.join(sorted(known))}")
    return tuple(
        each
        for each in passes
        if (not wanted or each.answers_to(wanted)) and not each.answers_to(unwanted) and (unsafe or each.kind != UNSAFE)
    )


def _run(each: Pass, so_far: Rewrite, scope: Scope) -> Rewrite:
    before = parse(so_far.text, so_far.original.name)
    result = each.apply(before, type_document(before), scope)
    if not result.edits:
        return so_far._replace(left=(*so_far.left, *result.left))
    text = apply_edits(before, result.edits)
    wrong = _what_is_wrong(each, before, text, scope)
    if wrong is not None:
        left = tuple(
            LeftAlone(each.name, change.lines, f"the result was dropped: {wrong}") for change in result.changes
        )
        return so_far._replace(left=(*so_far.left, *result.left, *left))
    return _added(each, so_far, text, result)


def _what_is_wrong(each: Pass, before: Document, text: str, scope: Scope) -> str | None:
    """The pass' result is a Dockerfile, passes the pass' own check, and running the pass once more changes nothing."""
    try:
        after = parse(text, before.name)
        typed = type_document(after)
    except LamellaError as error:
        return f"it cannot be read any more: {error}"
    wrong = each.verify(before, after, scope)
    if wrong is not None:
        return wrong
    return "it would be changed again" if each.apply(after, typed, scope).edits else None


def _added(each: Pass, so_far: Rewrite, text: str, result: PassResult) -> Rewrite:
    return so_far._replace(
        text=text,
        changes=(*so_far.changes, *result.changes),
        left=(*so_far.left, *result.left),
        declared=(*so_far.declared, *result.declared),
        history=(*so_far.history, Stage(each.name, text)),
    )
