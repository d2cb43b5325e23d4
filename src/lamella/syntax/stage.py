"""FROM."""

from __future__ import annotations

import re

from lamella.syntax.arguments import read_arguments
from lamella.syntax.flags import read_flags
from lamella.syntax.instructions import From
from lamella.syntax.request import Request, short

_STAGE_NAME = re.compile(r"[a-z][a-z0-9-_.]*")


def type_from(request: Request) -> From:
    """Dockerfile reference, "FROM"."""
    words = read_arguments(request).words
    name = None
    if len(words) == 3 and words[1].lower() == "as":
        name = words[2].lower()
        if not _STAGE_NAME.fullmatch(name):
            raise request.refuse(
                f"{short(words[2])!r} is no name for a build stage",
                "a stage's name begins with a letter and holds letters, digits, -, _ and . only",
            )
    elif len(words) != 1:
        raise request.refuse("FROM requires either one or three arguments", "write FROM image or FROM image AS name")
    flags = read_flags(request, texts=("platform",))
    return From(request.node, words[0], name, flags.text("platform"))
