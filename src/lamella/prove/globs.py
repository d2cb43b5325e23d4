"""Path patterns of ``--ignore`` and of declared removals.

``*`` and ``?`` stop at a slash, ``**`` does not, ``[…]`` is a class (``[!…]`` its complement), ``\\`` takes the next
character as it is. A pattern is rooted, with or without its leading slash, and what it matches stands for
everything beneath.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from lamella.errors import UsageError

Matcher = Callable[[str], str | None]
"""From a path (relative, as in the tree) to the pattern that matches it."""


def compile_globs(patterns: Sequence[str]) -> Matcher:
    """The first pattern that matches wins. Raises UsageError on a pattern that is none."""
    compiled = [(pattern, _compile(pattern)) for pattern in patterns]

    def match(path: str) -> str | None:
        return next((pattern for pattern, regex in compiled if regex.match(path)), None)

    return match


def _compile(pattern: str) -> re.Pattern[str]:
    body = pattern.strip("/")
    if not body:
        raise UsageError(f"the pattern {pattern!r} would match everything", hint="name a path, for example /var/log/**")
    try:
        return re.compile(_translate(body) + r"(?:/.*)?\Z", re.DOTALL)
    except re.error as error:
        raise UsageError(f"{pattern!r} is not a path pattern ({error})") from None


def _translate(body: str) -> str:
    out: list[str] = []
    at = 0
    while at < len(body):
        char = body[at]
        if body.startswith("**/", at) and (at == 0 or body[at - 1] == "/"):
            out.append("(?:.*/)?")
            at += 3
        elif body.startswith("**", at):
            out.append(".*")
            at += 2
        elif char == "[" and (end := body.find("]", at + 2)) > 0:
            out.append(_translate_class(body[at + 1 : end]))
            at = end + 1
        else:
            if char == "\\" and at + 1 < len(body):
                at += 1
                char = "\\" + body[at]
            out.append({"*": "[^/]*", "?": "[^/]"}.get(char) or re.escape(char[-1]))
            at += 1
    return "".join(out)


def _translate_class(inner: str) -> str:
    negated = inner[0] in "!^"
    members = inner[1:] if negated else inner
    safe = members.replace("\\", r"\\").replace("[", r"\[").replace("^", r"\^").replace("&", r"\&").replace("~", r"\~")
    return f"[^/{safe}]" if negated else f"(?!/)[{safe}]"
