"""RUN instructions that follow each other become one, where the meaning is kept (``lamella.plan.runchain``)."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

from lamella.plan.runchain import RunChain, find_chains
from lamella.rewrite.protocol import SAFE, Change, LeftAlone, Pass, PassResult, Scope
from lamella.rewrite.runtext import body_span, joined_text
from lamella.syntax.edits import Edit, comments_above, newline_of
from lamella.syntax.instructions import Run, TypedInstruction
from lamella.syntax.nodes import Blank, Comment, Document, Instruction, Item, Span
from lamella.syntax.typed import type_document

NAME = "join-runs"


def apply(document: Document, typed: tuple[TypedInstruction, ...], scope: Scope) -> PassResult:
    found = find_chains(document, typed, target=scope.target, shell=scope.shell)
    return PassResult(
        edits=tuple(_edit(document, chain) for chain in found.chains),
        changes=tuple(_change(chain) for chain in found.chains),
        left=tuple(LeftAlone(NAME, (apart.line, apart.end_line), apart.reason) for apart in found.apart),
    )


def _edit(document: Document, chain: RunChain) -> Edit:
    """Everything from the first body to the end of the last RUN, replaced at once."""
    nodes = [link.run.node for link in chain.links]
    moved: list[str] = []
    comments: list[tuple[Comment, ...]] = [()]
    for first, second in pairwise(nodes):
        between = [item for item in document.items if first.span.end <= item.span.start < second.span.start]
        kept, text = _sort(document, between)
        comments.append(kept)
        moved.append(text)
    newline = newline_of(document)
    end = newline if document.text.endswith("\n", 0, nodes[-1].span.end) else ""
    behind = "".join(moved)
    if behind:
        behind = newline + (behind if end else behind.removesuffix(newline))
    span = Span(body_span(chain.links[0]).start, nodes[-1].span.end)
    return Edit(span, joined_text(document, chain, tuple(comments)) + (behind or end))


def _sort(document: Document, between: list[Item]) -> tuple[tuple[Comment, ...], str]:
    """Comments to be kept at their place, and the text of what steps behind the joined RUN.

    An instruction takes the comments directly above it with it, and a blank line above those.
    """
    kept: list[Comment] = []
    moved: list[str] = []
    taken: set[Comment] = set()
    for item in between:
        if isinstance(item, Instruction):
            above = comments_above(document, item)
            taken |= set(above)
            start = above[0].span.start if above else item.span.start
            blank = any(isinstance(other, Blank) and other.span.end == start for other in between)
            moved.append(newline_of(document) if blank else "")
            moved.append(document.text[start : item.span.end])
    kept = [item for item in between if isinstance(item, Comment) and item not in taken]
    return tuple(kept), "".join(moved)


def _change(chain: RunChain) -> Change:
    count = len(chain.links)
    layers = f"{chain.saved} layer{'s' if chain.saved > 1 else ''}"
    explanation = f"{count} RUNs ({chain.where}) are one: {layers} less"
    return Change(NAME, chain.lines, explanation, chain.saved, _details(chain))


def _details(chain: RunChain) -> tuple[str, ...]:
    """Why the joined body is written as it is."""
    details = []
    if chain.joined.glue == ";":
        details.append("the parts stand behind set -e, because a shell ignores it in front of &&")
    for link, part in zip(chain.links, chain.joined.parts, strict=True):
        line = link.run.node.line
        if part.rehash:
            details.append(f"hash -r lets line {line} look {part.rehash} up again, as a new shell does")
        if part.opening.startswith("(") and link.script.changes:
            changes = ", ".join(link.script.changes)
            details.append(f"line {line} stands in parentheses: what it changes in its shell stays there ({changes})")
    between = [instruction.node for instruction in chain.between]
    details += [f"{node.keyword} of line {node.line} stands behind: no RUN can see it" for node in between]
    return tuple(details)


def verify(before: Document, after: Document, scope: Scope) -> str | None:
    """Nothing but RUNs has changed, no comment is lost, and each body is there, in its order."""
    others_before, runs_before = _split(before)
    others_after, runs_after = _split(after)
    if others_before != others_after:
        return "an instruction other than RUN has changed"
    if _comments(before) - _comments(after):
        return "a comment is lost"
    found = find_chains(before, type_document(before), target=scope.target, shell=scope.shell)
    joined = {chain.links[0].run.node.line: chain for chain in found.chains}
    inner = {link.run.node.line for chain in found.chains for link in chain.links[1:]}
    wanted = [
        _squeezed(joined[run.node.line].joined.text if run.node.line in joined else run.node.value)
        for run in runs_before
        if run.node.line not in inner
    ]
    return None if wanted == [_squeezed(run.node.value) for run in runs_after] else "a body is not what it should be"


def _split(document: Document) -> tuple[list[str], list[Run]]:
    typed = type_document(document)
    others = [one.node.logical.strip() for one in typed if not isinstance(one, Run)]
    return others, [one for one in typed if isinstance(one, Run)]


def _comments(document: Document) -> Counter[str]:
    inner = (comment for node in document.instructions for comment in node.comments)
    outer = (item for item in document.items if isinstance(item, Comment))
    return Counter(comment.text.strip() for comment in (*inner, *outer))


def _squeezed(body: str) -> str:
    """Lines and indentation out of the way: quoted white space stands on both sides alike."""
    return "".join(body.split())


PASS = Pass(
    name=NAME,
    order=50,
    kind=SAFE,
    summary="joins RUN instructions that follow each other",
    rules=("consecutive-runs",),
    apply=apply,
    verify=verify,
)
