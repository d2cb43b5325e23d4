"""ENV, LABEL and ARG: names with values."""

from __future__ import annotations

from lamella.syntax.arguments import read_arguments
from lamella.syntax.flags import read_flags
from lamella.syntax.instructions import Arg, Env, KeyValue, Label
from lamella.syntax.request import Request


def type_env(request: Request) -> Env:
    """Dockerfile reference, "ENV"."""
    return Env(request.node, *_pairs(request))


def type_label(request: Request) -> Label:
    """Dockerfile reference, "LABEL"."""
    return Label(request.node, *_pairs(request))


def _pairs(request: Request) -> tuple[tuple[KeyValue, ...], bool]:
    """The pairs, and whether they are of the old form without ``=``."""
    read_flags(request)
    words = read_arguments(request).words
    keyword = request.node.keyword
    if not words:
        raise request.refuse(f"{keyword} requires at least one argument", f"write {keyword} name=value")
    pairs = tuple(KeyValue(key, value) for key, value in zip(words[::2], words[1::2], strict=True))
    if any(not pair.key for pair in pairs):
        raise request.refuse(
            f"{keyword} names can not be blank", f"write {keyword} name=value, without a blank before ="
        )
    # The new form's first word has a = before any blank; the old form's key is all of its first word.
    legacy = not request.node.value.startswith(f"{pairs[0].key}=")
    return pairs, legacy


def type_arg(request: Request) -> Arg:
    """Dockerfile reference, "ARG"; several may stand on a line."""
    read_flags(request)
    words = read_arguments(request).words
    if not words:
        raise request.refuse("ARG requires at least one argument", "write ARG name or ARG name=value")
    args = []
    for word in words:
        name, equals, value = word.partition("=")
        if not name:
            raise request.refuse("ARG names can not be blank", "write ARG name=value, without a blank before =")
        args.append(KeyValue(name, value if equals else None))
    return Arg(request.node, tuple(args))
