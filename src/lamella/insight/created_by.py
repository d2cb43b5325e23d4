"""Which instruction a history entry stands for.

Builders write ``created_by`` each in their own way: BuildKit ``RUN /bin/sh -c make # buildkit``, Docker's classic
builder ``/bin/sh -c make`` and ``/bin/sh -c #(nop)  CMD ["sh"]``, with ARGs in front ``|1 A=b /bin/sh -c make``;
buildah and kaniko write one or the other.
"""

from __future__ import annotations

import re
from typing import NamedTuple

#: instructions that may bring a layer; every other one changes the config alone
LAYERED = frozenset({"RUN", "COPY", "ADD", "WORKDIR", "FROM"})
_CONFIG_ONLY = frozenset(
    ["CMD", "ENTRYPOINT", "ENV", "ARG", "LABEL", "EXPOSE", "VOLUME", "USER", "STOPSIGNAL", "HEALTHCHECK", "SHELL"]
)
_CONFIG_ONLY |= {"MAINTAINER", "ONBUILD"}
_NOP = re.compile(r"(?:/bin/sh -c|cmd /S /C|powershell\b.*?)\s*#\(nop\)\s*", re.DOTALL)
_ARGS = re.compile(r"\|(\d+) ")
_SHELL = re.compile(r"(?:(?:/usr)?/bin/(?:ba|a|da|k|z)?sh(?: -\w+(?: pipefail)?)*? -\w*c|cmd /S /C) ")
_BUILDKIT = re.compile(r"\s*# buildkit\s*\Z")


class Origin(NamedTuple):
    """``instruction`` is the keyword, "" where the text does not say; ``text`` is for people, on one line."""

    instruction: str
    text: str

    @property
    def config_only(self) -> bool:
        """Whether such an instruction never brings a layer."""
        return self.instruction in _CONFIG_ONLY


def parse_created_by(created_by: str) -> Origin:
    """Never fails: what it does not know keeps its text and has no instruction."""
    text = _BUILDKIT.sub("", created_by).strip()
    nop = _NOP.match(text)
    if nop:
        text = text[nop.end() :]
        keyword = text.partition(" ")[0].upper()
        return Origin(keyword if keyword in LAYERED | _CONFIG_ONLY else "", _line(text))
    without_args = _strip_args(text)
    keyword, _, rest = without_args.partition(" ")
    if keyword in LAYERED | _CONFIG_ONLY:
        rest = _strip_args(rest)
        shell = _SHELL.match(rest) if keyword == "RUN" else None
        return Origin(keyword, _line(f"{keyword} {rest[shell.end() :] if shell else rest}"))
    shell = _SHELL.match(without_args)
    if shell:
        return Origin("RUN", _line("RUN " + without_args[shell.end() :]))
    return Origin("", _line(text))


def _strip_args(text: str) -> str:
    """Takes ``|2 A=1 B=2 `` off; values may hold blanks, and then only the shell's name tells where they end."""
    match = _ARGS.match(text)
    if match is None:
        return text
    rest = text[match.end() :]
    shell = _SHELL.search(rest)
    if shell:
        return rest[shell.start() :]
    return rest.split(" ", int(match.group(1)))[-1]


def _line(text: str) -> str:
    return " ".join(text.split())
