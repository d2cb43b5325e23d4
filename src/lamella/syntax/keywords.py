"""The words of the language: instructions, and the nearest known word to one that is not known."""

from __future__ import annotations

from collections.abc import Iterable

#: every instruction of the Dockerfile reference
INSTRUCTIONS = (
    "ADD",
    "ARG",
    "CMD",
    "COPY",
    "ENTRYPOINT",
    "ENV",
    "EXPOSE",
    "FROM",
    "HEALTHCHECK",
    "LABEL",
    "MAINTAINER",
    "ONBUILD",
    "RUN",
    "SHELL",
    "STOPSIGNAL",
    "USER",
    "VOLUME",
    "WORKDIR",
)

#: the ones that may carry here-documents (Dockerfile reference, "Here-Documents")
HEREDOC_INSTRUCTIONS = ("RUN", "COPY", "ADD")

#: the ones that ONBUILD may not hold (Dockerfile reference, "ONBUILD")
FORBIDDEN_TRIGGERS = ("ONBUILD", "FROM", "MAINTAINER")


def normal_keyword(word: str) -> str:
    """The instruction's name in upper case; a word that is no instruction keeps what cannot be folded in ASCII."""
    lower = word.lower()
    upper = lower.upper()
    known = upper in INSTRUCTIONS and upper.lower() == lower
    return upper if known or word.isascii() else word


def nearest(word: str, known: Iterable[str]) -> str:
    """The known word with the smallest edit distance to ``word``; the first of equals. ``known`` is not empty.

    Compared without case. A very long word is compared by its beginning, so that hostile input costs nothing.
    """
    probe = word.lower()[:40]
    return min(known, key=lambda candidate: _distance(probe, candidate.lower()))


def _distance(left: str, right: str) -> int:
    """Levenshtein's distance with a swap of neighbours counted as one (optimal string alignment)."""
    before: list[int] = []
    row = list(range(len(right) + 1))
    for i, a in enumerate(left, 1):
        older, before, row = before, row, [i]
        for j, b in enumerate(right, 1):
            cost = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (a != b))
            if i > 1 and j > 1 and a == right[j - 2] and left[i - 2] == b:
                cost = min(cost, older[j - 2] + 1)
            row.append(cost)
    return row[-1]
