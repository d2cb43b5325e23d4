"""A read-only view over a RUN body: how it is built, what it runs, what of its shell it changes."""

from __future__ import annotations

from typing import NamedTuple

from lamella.shell.command import Command, read_command
from lamella.shell.node import Node, Unreadable
from lamella.shell.tree import read_tree

#: commands that change the shell that runs them (POSIX special built-ins, and what dash, ash and bash add)
_STATE_WORDS = """
    . alias bind caller cd complete continue break declare dirs disown enable eval exec exit export fc fg bg getopts
    hash history jobs let local logout mapfile popd pushd read readarray readonly return set shift shopt source suspend
    times trap typeset ulimit umask unalias unset wait
"""
STATE_COMMANDS = frozenset(_STATE_WORDS.split())
_STATEMENTS = frozenset({"command", "declaration_command", "unset_command", "test_command"})
_ASSIGNMENTS = frozenset({"variable_assignment", "variable_assignments"})
_ASSIGNING = frozenset({"=", "+=", "-=", "*=", "/=", "%=", "<<=", ">>=", "&=", "^=", "|=", "++", "--"})
_SEPARATORS = frozenset({";", "&", "\n", "comment"})


class Script(NamedTuple):
    """``start`` and ``end`` bound what is executed: a last ``;`` and a last comment are outside; ``comment`` is where
    that comment begins. ``statements`` are the top-level ones; ``root`` is the whole tree.

    ``listed`` tells of ``;``, ``||``, ``&`` or a line break at the top: ``&&`` behind it would bind to its last part
    only. ``plain`` tells that ``set -e`` makes no difference inside: pipelines of simple commands bound by ``&&``,
    none of which runs text that is not shown (``eval``).
    ``changes`` says what of the body's own shell it changes (``cd``, ``VAR=``, ``function f``, ``for``), each once.
    """

    text: str
    root: Node
    start: int
    end: int
    comment: int | None
    statements: tuple[Node, ...]
    listed: bool
    plain: bool
    commands: tuple[Command, ...]
    changes: tuple[str, ...]

    @property
    def source(self) -> str:
        """What is executed, as written."""
        return self.text[self.start : self.end]

    @property
    def first(self) -> Command | None:
        """The first command, where it is one of the body's own shell and stands at the very start."""
        command = self.commands[0] if self.commands else None
        return command if command and command.own_shell and command.start == self.start else None


def read_script(text: str) -> Script | Unreadable:
    """The view over a body's text, or why it cannot be read. A body that runs nothing is Unreadable too."""
    root = read_tree(text)
    if isinstance(root, Unreadable):
        return root
    statements = tuple(child for child in root.children if child.kind not in _SEPARATORS)
    if not statements:
        return Unreadable("the body runs nothing", 0)
    last = statements[-1]
    comments = [child.start for child in root.children if child.kind == "comment" and child.start >= last.end]
    several = len(statements) > 1 or any(child.kind == "&" for child in root.children)
    reader = _Reader(text)
    reader.visit(root, own=True)
    return Script(
        text=text,
        root=root,
        start=statements[0].start,
        end=last.end,
        comment=comments[0] if comments else None,
        statements=statements,
        listed=several or not _only_and(last),
        plain=not several and is_plain(last) and not any(command.opaque for command in reader.commands),
        commands=tuple(reader.commands),
        changes=tuple(dict.fromkeys(reader.changes)),
    )


def _only_and(node: Node) -> bool:
    """Whether no ``||`` stands at the top."""
    return node.kind != "list" or all(child.kind != "||" and _only_and(child) for child in node.children)


def is_plain(node: Node) -> bool:
    """Whether ``set -e`` makes no difference inside of a statement, as far as its own text tells."""
    if node.kind in ("list", "pipeline", "redirected_statement", "negated_command"):
        return all(child.kind in ("&&", "|", "!") or is_plain(child) for child in node.children)
    if node.kind in _STATEMENTS or node.kind in _ASSIGNMENTS or node.kind == "file_redirect":
        return all(_is_plain_inside(inner) for inner in node.walk() if inner.kind.endswith("_substitution"))
    return False


def _is_plain_inside(substitution: Node) -> bool:
    inner = substitution.children[1:-1]
    return len(inner) == 1 and is_plain(inner[0])


class _Reader:
    """Walks the tree once and collects commands and changes."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.commands: list[Command] = []
        self.changes: list[str] = []

    def visit(self, node: Node, *, own: bool, redirects: tuple[Node, ...] = ()) -> None:
        """``own`` says whether the body's own shell executes the node; ``redirects`` stand beside it."""
        if node.kind in _STATEMENTS:
            command = read_command(node, self.text, own_shell=own, redirects=redirects)
            self.commands.append(command)
            if own:
                self.changes += _changes_of_command(node, command)
        elif own:
            self.changes += _changes_of_node(node, self.text)
        below = own and node.kind not in ("subshell", "pipeline") and not node.kind.endswith("_substitution")
        beside = node.children[1:] if node.kind == "redirected_statement" else ()
        if node.kind == "negated_command":
            self.visit(node.children[1], own=below, redirects=redirects)
            return
        for child in node.children:
            if node.kind == "command" and child.kind == "variable_assignment":
                for inner in child.children:
                    self.visit(inner, own=below)
            else:
                self.visit(child, own=below, redirects=beside if child is node.children[0] else ())


def _changes_of_command(node: Node, command: Command) -> tuple[str, ...]:
    if command.name is None:
        return ("a computed command",)
    if command.name in STATE_COMMANDS or node.kind in ("declaration_command", "unset_command"):
        return (command.name,)
    if command.name == "printf" and "-v" in command.words:
        return ("printf -v",)
    if command.name == ":" and command.assigns:
        return (f"{command.assigns[0]}=",)  # POSIX: an assignment in front of a special built-in stays
    return ("BASH_REMATCH=",) if any(inner.kind == "=~" for inner in node.walk()) else ()


def _changes_of_node(node: Node, text: str) -> tuple[str, ...]:
    """What a node that is no command does to the shell that executes it."""
    tokens = {child.kind for child in node.children}
    if node.kind == "variable_assignment":
        return (f"{text[node.start : node.children[0].end]}=",)
    if node.kind == "function_definition":
        name = next(child for child in node.children if child.kind == "word")
        return (f"function {text[name.start : name.end]}",)
    if node.kind in ("for_statement", "c_style_for_statement"):
        variables = [text[child.start : child.end] for child in node.children if child.kind == "variable_name"]
        return (f"{variables[0]}=" if variables else "for",)
    if node.kind == "expansion" and tokens & {"=", ":="}:
        return (text[node.start : node.end],)
    if node.kind == "arithmetic_expansion" or (node.kind == "compound_statement" and "((" in tokens):
        return (text[node.start : node.end],) if any(inner.kind in _ASSIGNING for inner in node.walk()) else ()
    return ()
