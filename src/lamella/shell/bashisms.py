"""Syntax that bash reads otherwise than dash or BusyBox ash do: under ``/bin/sh`` the tree may not be believed."""

from __future__ import annotations

from lamella.shell.node import Node

_NODES = {
    "herestring_redirect": "a here-string (<<<)",
    "process_substitution": "a process substitution",
    "array": "an array",
    "c_style_for_statement": "an arithmetic for",
}
_TOKENS = {
    "[[": "[[ … ]]",
    "((": "(( … ))",
    "&>": "&> (a background job in dash)",
    "&>>": "&>> (a background job in dash)",
    "|&": "|&",
    ";&": ";&",
    ";;&": ";;&",
    "function": "the word 'function'",
    "select": "select",
    "$[": "$[ … ]",
}


def find_bashism(root: Node, text: str) -> str | None:
    """The first construct that is bash's alone, in words for a message."""
    for node in root.walk():
        found = _NODES.get(node.kind) or next((_TOKENS[c.kind] for c in node.children if c.kind in _TOKENS), None)
        if found:
            return found
        source = text[node.start : node.end]
        if node.kind == "ansi_c_string" and "\\'" in source:
            return "$'…' with a quote in it"
        if node.kind == "extglob_pattern" and "(" in source:
            return "an extended pattern"
        if node.kind == "file_redirect" and _writes_both(node, text):
            return ">& with a file"
    return None


def _writes_both(node: Node, text: str) -> bool:
    """``>&file``, which other shells refuse, in contrast to ``>&2``, ``>&-`` and ``>&$fd``."""
    if not any(child.kind == ">&" for child in node.children):
        return False
    target = text[node.children[-1].start : node.children[-1].end]
    return not (target.isdecimal() or target[:1] in "$-")
