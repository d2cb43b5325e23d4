"""Two lists of instructions: which of the one was which of the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import SequenceMatcher

#: pairs of instructions that are looked at in one place; where more would have to be, none is taken for another
_COMPARED = 2500


def align(old: Sequence[str], new: Sequence[str]) -> dict[int, int]:
    """Which of the ``new`` texts was which of the ``old`` ones, by position. Equal ones first; between these, steps of
    the same keyword in equal number are taken for each other in their order, others only where they are much alike."""
    pairs: dict[int, int] = {}
    for tag, i, i_end, j, j_end in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if tag == "equal":
            pairs.update(zip(range(j, j_end), range(i, i_end), strict=True))
        elif tag == "replace":
            pairs.update(_replaced(old, new, range(i, i_end), range(j, j_end)))
    return pairs


def _replaced(old: Sequence[str], new: Sequence[str], before: range, after: range) -> dict[int, int]:
    if [_keyword(old[one]) for one in before] == [_keyword(new[one]) for one in after]:
        return dict(zip(after, before, strict=True))
    pairs: dict[int, int] = {}
    if len(before) * len(after) > _COMPARED:
        return pairs
    words = {text: set(text.split()) for text in [*(old[one] for one in before), *(new[one] for one in after)]}
    start = before.start
    for number in after:
        text = new[number]
        found = next((one for one in range(start, before.stop) if _alike(old[one], text, words)), None)
        if found is not None:
            pairs[number] = found
            start = found + 1
    return pairs


def _alike(old: str, new: str, words: Mapping[str, set[str]]) -> bool:
    """The same instruction with most of its words."""
    most = 0.7 * max(len(words[old]), len(words[new]))
    return _keyword(old) == _keyword(new) and len(words[old] & words[new]) > most


def _keyword(text: str) -> str:
    return text.partition(" ")[0]
