"""The ignore file: which paths of the build context are left out, and which line says so.

Patterns are rooted at the context. A pattern that matches a folder also matches all that is below it; ``!`` takes
paths back in; the last line that matches decides. Source: the Dockerfile reference, ".dockerignore file".

Decisions go from the root downwards, as Docker's walk over the context does: what a pattern said of a folder is
handed down to its children, and an exception is only looked at for a path that is out when its turn comes.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable
from typing import NamedTuple

from lamella.plan.ignorepattern import EXACT, PREFIX, REGEX, SUFFIX, IgnorePattern, parse_pattern

_WHITE_SPACE = " \t\n\r\f\v\x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000" + "".join(map(chr, range(0x2000, 0x200B)))


class Decision(NamedTuple):
    """``line`` and ``pattern`` (as written) are those that decided; None where no line has anything to say."""

    ignored: bool
    line: int | None
    pattern: str | None


_NOT_MENTIONED = Decision(False, None, None)


class _State(NamedTuple):
    """What is known of a folder: the decision, and which patterns (bit by bit) matched it or a folder above it."""

    decision: Decision
    matched: int


_UNTOUCHED = _State(_NOT_MENTIONED, 0)


def parse_ignore(text: str, name: str) -> IgnoreFile:
    """The ignore file that ``text`` is; ``name`` is what messages call it. Raises ContextError with ``name:line``."""
    rows = enumerate(text.removeprefix("\ufeff").split("\n"), 1)
    return _compile(name, ((f"{name}:{number}", number, row) for number, row in rows if not row.startswith("#")))


def parse_patterns(patterns: Iterable[str], where: str) -> IgnoreFile:
    """Patterns of the same kind that stand in an instruction. Raises ContextError with ``where`` (``file:line``)."""
    return _compile(where, ((where, number, pattern) for number, pattern in enumerate(patterns, 1)))


def _compile(name: str, rows: Iterable[tuple[str, int, str]]) -> IgnoreFile:
    patterns: list[IgnorePattern] = []
    for where, number, row in rows:
        written = row.strip(_WHITE_SPACE)
        if written:
            patterns.append(parse_pattern(_cleaned(written), number, written, where))
    return IgnoreFile(name, tuple(patterns))


def _cleaned(written: str) -> str:
    """Without ``./``, ``//``, ``..`` and a slash at either end; a ``!`` stays in front."""
    exception = written.startswith("!")
    text = written[1:].strip(_WHITE_SPACE) if exception else written
    if text:
        text = posixpath.normpath(text)
        text = text.lstrip("/") or ("" if exception else "/")
    return "!" + text if exception else text


class IgnoreFile:
    """The patterns of one file, compiled. Decisions of folders are kept, so ask for paths in any order."""

    def __init__(self, name: str, patterns: tuple[IgnorePattern, ...]) -> None:
        self.name = name
        self.patterns = patterns
        self._exceptions = tuple(pattern for pattern in patterns if pattern.exception)
        self._regexes: list[re.Pattern[str] | None] = [None] * len(patterns)  # compiled when first asked
        self._exact = frozenset(pattern.literal for pattern in patterns if pattern.kind == EXACT)
        self._prefixes = tuple(pattern.literal for pattern in patterns if pattern.kind == PREFIX)
        self._suffixes = tuple(pattern.literal for pattern in patterns if pattern.kind == SUFFIX)
        # "**/name" names what is called so at the top as well
        self._exact |= {suffix[1:] for suffix in self._suffixes if suffix.startswith("/")}
        others = [pattern.regex for pattern in patterns if pattern.kind == REGEX]
        self._others = re.compile("|".join(f"(?:{regex})" for regex in others)) if others else None
        self._folders: dict[str, _State] = {"": _UNTOUCHED}

    def decide(self, path: str) -> Decision:
        """For a path relative to the context's root, without ``./`` or a slash at the end. The root is always in."""
        parent = path.rpartition("/")[0]
        state = self._folders.get(parent)
        if state is None:
            state = self._folder(parent)
        if not state.matched and not self._any_matches(path):
            return _NOT_MENTIONED
        return self._evaluate(path, state).decision if path else _NOT_MENTIONED

    def may_skip_directory(self, path: str) -> bool:
        """Whether a walk need not look into this folder: it is ignored, and no ``!`` can match below it."""
        if not self.decide(path).ignored:
            return False
        return not any(_may_match_below(exception.text, path) for exception in self._exceptions)

    def may_match_below(self, path: str) -> bool:
        """Whether a pattern can match something in this folder that does not match the folder."""
        return any(_may_match_below(pattern.text, path) for pattern in self.patterns)

    def _folder(self, path: str) -> _State:
        """The state of a folder, and of those above it on the way (no recursion: paths can be very deep)."""
        missing = []
        while path not in self._folders:
            missing.append(path)
            path = path.rpartition("/")[0]
        state = self._folders[path]
        for folder in reversed(missing):
            state = self._evaluate(folder, state) if state.matched or self._any_matches(folder) else _UNTOUCHED
            self._folders[folder] = state
        return state

    def _any_matches(self, path: str) -> bool:
        return (
            path in self._exact
            or path.endswith(self._suffixes)
            or path.startswith(self._prefixes)
            or (self._others is not None and self._others.match(path) is not None)
        )

    def _matches(self, number: int, path: str) -> bool:
        regex = self._regexes[number]
        if regex is None:
            regex = self._regexes[number] = re.compile(self.patterns[number].regex)
        return regex.match(path) is not None

    def _evaluate(self, path: str, parent: _State) -> _State:
        """Line by line. A line that matched a folder above is not asked again."""
        if parent.decision.ignored and not self._exceptions:
            return parent
        matched = 0
        decision = _NOT_MENTIONED
        for number, pattern in enumerate(self.patterns):
            bit = 1 << number
            inherited = bool(parent.matched & bit)
            # a line that could change nothing is not looked at, and counts as no match for what is below
            if not inherited and (pattern.exception != decision.ignored or not self._matches(number, path)):
                continue
            matched |= bit
            if pattern.exception == decision.ignored:
                decision = Decision(not pattern.exception, pattern.line, pattern.written)
        return _State(decision, matched)


def _may_match_below(pattern: str, folder: str) -> bool:
    """Whether a path below ``folder`` can match; True where it is not plain to see."""
    parts = pattern.split("/")
    above = folder.split("/")
    for part, name in zip(parts, above, strict=False):
        if "**" in part or "[" in part or "\\" in part:
            return True
        regex = re.escape(part).replace(r"\*", ".*").replace(r"\?", ".")
        if not re.fullmatch(regex, name, re.DOTALL):
            return False
    return len(parts) > len(above)
