"""ONBUILD."""

from __future__ import annotations

from lamella.syntax.arguments import read_arguments
from lamella.syntax.flags import read_flags
from lamella.syntax.head import split_instruction
from lamella.syntax.instructions import Onbuild
from lamella.syntax.keywords import FORBIDDEN_TRIGGERS, normal_keyword
from lamella.syntax.nodes import Heredoc
from lamella.syntax.request import Request
from lamella.syntax.words import strip


def type_onbuild(request: Request) -> Onbuild:
    """Dockerfile reference, "ONBUILD". Of the trigger only what BuildKit's parser refuses at once is checked."""
    node = request.node
    if not node.value:
        raise request.refuse("ONBUILD requires at least one argument", "write ONBUILD RUN command")
    read_flags(request)
    word, _, offset = split_instruction(node.value)
    keyword = normal_keyword(word)
    refuse_forbidden(request, keyword)
    inner = node._replace(keyword=keyword, value=strip(node.value[offset:]), flags=())
    read_arguments(Request(request.document, inner))
    bodies = "".join(f"\n{_body(request, heredoc)}{heredoc.name}" for heredoc in node.heredocs)
    return Onbuild(node, node.logical[node.value_offset :] + bodies)


def refuse_forbidden(request: Request, keyword: str) -> None:
    if keyword in FORBIDDEN_TRIGGERS:
        message = (
            "chaining ONBUILD via ONBUILD ONBUILD is not allowed"
            if keyword == "ONBUILD"
            else f"{keyword} is not allowed as an ONBUILD trigger"
        )
        raise request.refuse(message, f"put {keyword} into the Dockerfile that builds on this image")


def _body(request: Request, heredoc: Heredoc) -> str:
    """The body as written, tabs and all, since the trigger's marker asks for stripping them once more."""
    lines = request.document.source(heredoc.span)
    return lines[: lines.rstrip("\r\n").rfind("\n") + 1]
