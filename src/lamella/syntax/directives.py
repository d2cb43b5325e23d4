"""Parser directives: ``# syntax=…``, ``# escape=…`` and ``# check=…`` at the very top of a Dockerfile.

Dockerfile reference, "Parser directives". The first line that is no known directive, be it a comment or a blank line,
ends them; from there on they are comments.
"""

from __future__ import annotations

import re

from lamella.errors import DockerfileError
from lamella.syntax.lines import Line
from lamella.syntax.nodes import Directive, Span
from lamella.syntax.words import SPACE

_DIRECTIVE = re.compile(rf"#[{SPACE}]*([a-zA-Z][a-zA-Z0-9]*)[\t\f\r ]*=[\t\f\r ]*(.+)")
_NAMES = ("syntax", "escape", "check")


def read_directive(content: str, line: Line, seen: tuple[Directive, ...], name: str) -> Directive | None:
    """The directive in a comment line, None when it is none. ``content`` is the line without surrounding white space,
    ``name`` is the file's, ``seen`` are the directives above.

    Raises DockerfileError when one stands twice or the escape character is neither ``\\`` nor a backtick.
    """
    match = _DIRECTIVE.fullmatch(content)
    key = match[1].lower() if match else ""
    if match is None or key not in _NAMES:
        return None
    directive = Directive(Span(line.start, line.next), line.number, key, match[2])
    where = f"{name}:{line.number}"
    first = next((other for other in seen if other.name == key), None)
    if first is not None:
        raise DockerfileError(
            f"only one {key} parser directive can be used",
            where=where,
            hint=f"remove this line or line {first.line}",
        )
    if key == "escape" and directive.value not in ("\\", "`"):
        raise DockerfileError(
            f"invalid escape character {directive.value[:20]!r}",
            where=where,
            hint="write # escape=\\ or # escape=`",
        )
    return directive
