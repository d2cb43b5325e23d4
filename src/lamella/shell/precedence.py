"""``&&``, ``||`` and ``|`` bound as shells bind them.

The grammar hangs a redirection on the whole list before it, and lets a pipe behind that begin with the list: it reads
``cd x && a > f | b`` as ``{ cd x && a; } > f | b``. Here such trees are taken apart and put together again.
"""

from __future__ import annotations

from lamella.shell.node import Node

_BOUND = frozenset({"list", "pipeline", "redirected_statement", "negated_command"})


def normalise(node: Node) -> Node:
    """The same tree, lists and pipelines in it bound anew. A redirection belongs to the one command before it."""
    if node.kind in _BOUND:
        return _bind(_flatten(node))
    return node._replace(children=tuple(normalise(child) for child in node.children))


def _flatten(node: Node) -> list[Node]:
    """Commands and operators in turn, in the order of the text."""
    if node.kind in ("list", "pipeline"):
        return [part for child in node.children for part in _flatten(child)]
    if node.kind == "redirected_statement" and not node.children[0].kind.endswith("_redirect"):
        *parts, last = _flatten(node.children[0])
        return [*parts, _redirected(last, tuple(normalise(child) for child in node.children[1:]))]
    if node.kind == "negated_command":
        sign, command = node.children
        first, *parts = _flatten(command)
        return [Node(node.kind, sign.start, first.end, (sign, first)), *parts]
    return [node._replace(children=tuple(normalise(child) for child in node.children))]


def _redirected(command: Node, redirects: tuple[Node, ...]) -> Node:
    inner = command.children if command.kind == "redirected_statement" else (command,)
    return Node("redirected_statement", command.start, redirects[-1].end, (*inner, *redirects))


def _bind(parts: list[Node]) -> Node:
    """Pipes first, then ``&&`` and ``||`` from the left."""
    pipelines: list[Node] = []
    operators: list[Node] = []
    run: list[Node] = []
    for part in parts:
        if part.kind in ("&&", "||"):
            pipelines.append(_pipeline(run))
            operators.append(part)
            run = []
        else:
            run.append(part)
    pipelines.append(_pipeline(run))
    bound = pipelines[0]
    for operator, right in zip(operators, pipelines[1:], strict=True):
        bound = Node("list", bound.start, right.end, (bound, operator, right))
    return bound


def _pipeline(run: list[Node]) -> Node:
    return run[0] if len(run) == 1 else Node("pipeline", run[0].start, run[-1].end, tuple(run))
