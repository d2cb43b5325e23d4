"""Two lists of instructions: which of the one was which of the other."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import SequenceMatcher


def align(old: Sequence[str], new: Sequence[str]) -> dict[int, int]:
    """Which of the ``new`` texts was which of the ``old`` ones, by position. Equal ones first; between these, steps of
    the same keyword in equal number are taken for each other in their order, others only where they are much alike."""
    pairs: dict[int, int] = {}
    for tag, i, i_end, j, j_end in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if tag == "equal":
            pairs.update(zip(range(j, j_end), range(i, i_end), strict=True))
        elif tag == "replace":
            first, second = [_keyword(text) for text in old[i:i_end]], [_keyword(text) for text in new[j:j_end]]
            start = i
            for number in range(j, j_end):
                for candidate in range(start, i_end):
                    same = _keyword(new[number]) == _keyword(old[candidate])
                    alike = same and SequenceMatcher(None, old[candidate], new[number]).ratio() > 0.7
                    if alike or (first == second and candidate - i == number - j):
                        pairs[number] = candidate
                        start = candidate + 1
                        break
    return pairs


def _keyword(text: str) -> str:
    return text.partition(" ")[0]
