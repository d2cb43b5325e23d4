"""Stages as far as the text alone tells: for advice and rewriting, which need no build arguments.

A FROM whose image holds a variable may name any stage above that it could spell.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from lamella.errors import DockerfileError, InputError
from lamella.syntax.instructions import From, TypedInstruction
from lamella.syntax.nodes import Document

_VARIABLE = re.compile(r"\\?\$(?:\{[^}]*\}|\w+)")


class TextStage(NamedTuple):
    """``parents`` are the numbers of the stages it may stand on: none for an image or scratch. ``in_result`` says that
    its layers are among those of the target's image."""

    number: int
    from_: From
    instructions: tuple[TypedInstruction, ...]
    parents: tuple[int, ...]
    in_result: bool

    @property
    def label(self) -> str:
        return self.from_.name or str(self.number)


def read_stages(document: Document, typed: tuple[TypedInstruction, ...], target: str | None) -> tuple[TextStage, ...]:
    """The stages of a document. ``target`` is a stage's name or number, None for the last one.

    Raises DockerfileError where there is no FROM, InputError for a target that there is not.
    """
    starts = [at for at, one in enumerate(typed) if isinstance(one, From)]
    if not starts:
        raise DockerfileError("there is no FROM", where=f"{document.name}:1", hint="begin with FROM image")
    drafts: list[TextStage] = []
    for start, end in zip(starts, [*starts[1:], len(typed)], strict=True):
        from_ = typed[start]
        assert isinstance(from_, From)
        drafts.append(TextStage(len(drafts), from_, typed[start + 1 : end], _parents(from_, drafts), False))
    wanted = _with_parents(_target(drafts, target, document), drafts)
    return tuple(stage._replace(in_result=stage.number in wanted) for stage in drafts)


def _parents(from_: From, above: list[TextStage]) -> tuple[int, ...]:
    pattern = _VARIABLE.split(from_.image.strip("\"'").lower())
    spelled = re.compile(".*".join(re.escape(part) for part in pattern))
    found = [stage.number for stage in above if stage.from_.name and spelled.fullmatch(stage.from_.name)]
    return tuple(found[-1:] if len(pattern) == 1 else found)


def _target(stages: list[TextStage], target: str | None, document: Document) -> int:
    if target is None:
        return len(stages) - 1
    for stage in reversed(stages):
        if stage.from_.name == target.lower():
            return stage.number
    if target.isdecimal() and int(target) < len(stages):
        return int(target)
    raise InputError(f"there is no stage {target!r}", where=document.name, hint="--target takes a name or a number")


def _with_parents(number: int, stages: list[TextStage]) -> set[int]:
    wanted, waiting = set[int](), [number]
    while waiting:
        at = waiting.pop()
        if at not in wanted:
            wanted.add(at)
            waiting += stages[at].parents
    return wanted
