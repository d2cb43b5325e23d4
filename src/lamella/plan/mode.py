"""``--chmod``: an octal number, or changes in symbols as chmod(1) has them. Pure.

Changes without ``u``, ``g`` or ``o`` in front mean all three; a builder has no umask. ``X`` is ``x`` for folders and
for what somebody may execute already, behind any operator. Source: POSIX.1-2024 chmod, "EXTENDED DESCRIPTION"; the
Dockerfile reference, "COPY --chmod".
"""

from __future__ import annotations

from typing import NamedTuple

_LARGEST = 0o7777
_WHO = {"u": 0o4700, "g": 0o2070, "o": 0o0007, "a": 0o6777}
_EVERYBODY = _WHO["a"]
_RIGHTS = {"r": 0o444, "w": 0o222, "x": 0o111}
_COPIED = {"u": 6, "g": 3, "o": 0}  # how far the three bits stand to the left
_OPERATORS = "+-="


class Change(NamedTuple):
    """One operator and what stands behind it: ``who`` are the bits it may touch, ``perms`` its letters."""

    who: int
    operator: str
    perms: str


class Mode(NamedTuple):
    """``bits`` is the mode itself, or None where ``changes`` are made to the mode that something has."""

    bits: int | None
    changes: tuple[Change, ...] = ()

    def apply(self, mode: int, is_folder: bool) -> int:
        """The mode (0o7777) of something that had ``mode``."""
        if self.bits is not None:
            return self.bits
        executable = is_folder or bool(mode & 0o111)
        result = mode
        for who, operator, perms in self.changes:
            bits = _bits(who, perms, result, executable)
            if operator == "=":
                result &= ~(who or _EVERYBODY)
            result = result & ~bits if operator == "-" else result | bits
        return result


def parse_mode(text: str) -> Mode | None:
    """None for what is no mode: an octal number over 07777, a letter that chmod(1) does not know."""
    if not set(text) - set("01234567"):
        return Mode(int(text, 8)) if text and int(text, 8) <= _LARGEST else None
    changes: list[Change] = []
    for clause in text.split(","):
        rest = clause.lstrip("ugoa")
        who = 0
        for letter in clause[: len(clause) - len(rest)]:
            who |= _WHO[letter]
        if rest[:1] not in tuple(_OPERATORS):
            return None
        while rest:
            operator, rest = rest[0], rest[1:]
            letters = len(rest) - len(rest.lstrip("rwxXstugo"))
            changes.append(Change(who, operator, rest[:letters]))
            rest = rest[letters:]
            if rest and rest[0] not in _OPERATORS:
                return None
    return Mode(None, tuple(changes))


def _bits(who: int, perms: str, mode: int, executable: bool) -> int:
    """The bits that the letters stand for, within those that ``who`` may touch. The sticky bit belongs to nobody, and
    is not for others alone."""
    bits = 0
    sticky = 0
    for letter in perms:
        if letter in _RIGHTS:
            bits |= _RIGHTS[letter]
        elif letter == "X":
            bits |= _RIGHTS["x"] if executable else 0
        elif letter == "s":
            bits |= 0o6000
        elif letter == "t":
            sticky = 0o1000 if who != _WHO["o"] else 0
        else:
            bits |= (mode >> _COPIED[letter] & 7) * 0o111
    return bits & (who or _EVERYBODY) | sticky
