"""A RUN body's syntax tree, read by tree-sitter-bash and then distrusted.

The grammar is bash's and more lenient than any shell: it takes ``}`` for a command, and ``[ a && b ]`` for one test.
Whatever may hide an operator, a quote or a reserved word from the tree makes the body unreadable, so that what is
built on the tree may believe it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING, Any

from lamella.shell.node import Node, Unreadable
from lamella.shell.precedence import normalise

if TYPE_CHECKING:
    import tree_sitter

#: bodies nested or sized beyond this are left alone
_MAX_DEPTH = 200
_MAX_LENGTH = 200_000

_RESERVED_WORDS = "! { } [[ ]] case do done elif else esac fi for function if in select then until while"
_RESERVED = frozenset(_RESERVED_WORDS.split())
_GAP = re.compile(r"(?:[ \t\n]|\\\n)*")
_WORD = re.compile(r"""(?:\\.|[^\\\s;&|<>()'"`])*""", re.DOTALL)
#: inside these, white space and words follow rules of their own
_QUOTING = frozenset({"string", "translated_string", "expansion", "heredoc_body", "heredoc_redirect"})


def read_tree(text: str) -> Node | Unreadable:
    """The tree of a body, or why there is none to be trusted."""
    if len(text) > _MAX_LENGTH:
        return Unreadable("the body is too long", _MAX_LENGTH)
    strange = re.search(r"[\0\r\x0b\x0c]", text)
    if strange:
        return Unreadable("the body holds a control character", strange.start())
    data = text.encode("utf-8", "surrogatepass")
    root = _parser().parse(data).root_node
    offsets = None if len(data) == len(text) else _character_offsets(text)
    if root.has_error:
        return Unreadable("the shell parser cannot read it", _first_error(root, offsets))
    node = _convert(root, offsets, 0)
    if isinstance(node, Unreadable):
        return node
    node = normalise(node)
    return _doubt(node, text) or node


def _parser() -> tree_sitter.Parser:
    import tree_sitter

    return tree_sitter.Parser(_language())


@cache
def _language() -> tree_sitter.Language:
    """The grammar's tables: they never change, unlike a parser, which belongs to one thread at a time."""
    import tree_sitter

    return tree_sitter.Language(_grammar())


def _grammar() -> Any:
    """The grammar's C module, without its package: that imports importlib.resources, at 13 ms for each command."""
    from importlib.machinery import PathFinder
    from importlib.util import module_from_spec

    package = PathFinder.find_spec("tree_sitter_bash")
    if package is not None and package.submodule_search_locations is not None:
        binding = PathFinder.find_spec("tree_sitter_bash._binding", package.submodule_search_locations)
        if binding is not None and binding.loader is not None:
            module = module_from_spec(binding)
            binding.loader.exec_module(module)
            return module.language()
    import tree_sitter_bash

    return tree_sitter_bash.language()


def _character_offsets(text: str) -> list[int]:
    """For each byte of the UTF-8 form, and its end, the number of the character it belongs to."""
    offsets = [index for index, char in enumerate(text) for _ in char.encode("utf-8", "surrogatepass")]
    return [*offsets, len(text)]


def _place(byte: int, offsets: list[int] | None) -> int:
    return byte if offsets is None else offsets[byte]


def _convert(node: tree_sitter.Node, offsets: list[int] | None, depth: int) -> Node | Unreadable:
    if depth > _MAX_DEPTH:
        return Unreadable("the body is nested too deeply", _place(node.start_byte, offsets))
    children = []
    for inner in node.children:
        child = _convert(inner, offsets, depth + 1)
        if isinstance(child, Unreadable):
            return child
        children.append(child)
    return Node(node.type, _place(node.start_byte, offsets), _place(node.end_byte, offsets), tuple(children))


def _first_error(node: tree_sitter.Node, offsets: list[int] | None) -> int:
    while not (node.is_error or node.is_missing):
        node = next((child for child in node.children if child.has_error or child.is_missing), node.children[-1])
        if not node.children:
            break
    return _place(node.start_byte, offsets)


def _doubt(node: Node, text: str) -> Unreadable | None:
    """The first place where shell and parser may read the text differently."""
    here = _doubt_here(node, text)
    if here is not None:
        return here
    inner = _substitutions(node) if node.kind == "expansion" else node.children
    return next((doubt for child in inner if (doubt := _doubt(child, text)) is not None), None)


def _substitutions(node: Node) -> Iterator[Node]:
    """The commands inside ``${…}``; the words around them follow rules of their own."""
    for child in node.children:
        if child.kind in ("command_substitution", "process_substitution"):
            yield child
        else:
            yield from _substitutions(child)


def _doubt_here(node: Node, text: str) -> Unreadable | None:
    if node.kind == "word":
        return _doubt_word(node, text)
    if node.kind == "command_name" and text[node.start : node.end] in _RESERVED:
        return Unreadable(f"'{text[node.start : node.end]}' stands where a command should", node.start)
    if node.kind == "program" and any(child.kind in (";;", ";&", ";;&") for child in node.children):
        return Unreadable("';;' stands outside of a case", node.start)
    if node.kind == "test_command" and text[node.start : node.start + 2] != "[[":
        for inner in _tokens_of_test(node):
            if inner.kind in ("&&", "||", "|", "&", ";", "("):
                return Unreadable(f"'{inner.kind}' ends the test before its ']'", inner.start)
    return None if node.kind in _QUOTING else _doubt_gaps(node, text)


def _doubt_word(node: Node, text: str) -> Unreadable | None:
    if not _WORD.fullmatch(text, node.start, node.end):
        return Unreadable("a word is quoted in a way the parser does not follow", node.start)
    if text[node.start] == "#" and (node.start == 0 or text[node.start - 1] in " \t\n;&|()"):
        return Unreadable("the parser takes a comment for a word", node.start)
    return None


def _tokens_of_test(node: Node) -> Iterator[Node]:
    for child in node.children:
        if child.kind.endswith("_expression"):
            yield from _tokens_of_test(child)
        else:
            yield child


def _doubt_gaps(node: Node, text: str) -> Unreadable | None:
    """Between the children of a node, and around the whole, there is white space and nothing else."""
    if node.kind == "program":
        node = node._replace(start=0, end=len(text))
    elif not node.children:
        return None
    at = node.start
    for child in node.children:
        if child.start > at and not _GAP.fullmatch(text, at, child.start):
            return Unreadable("the parser passes over a part of the text", at)
        at = max(at, child.end)
    if at < node.end and not _GAP.fullmatch(text, at, node.end):
        return Unreadable("the parser passes over a part of the text", at)
    return None
