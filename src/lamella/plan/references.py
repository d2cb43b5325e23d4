"""What ``COPY --from`` and ``RUN --mount=from`` name: a stage, a named context, an image."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from lamella.errors import DockerfileError
from lamella.oci.reference import short_name
from lamella.plan.step import Source, SourceContext, SourceImage, SourceStage
from lamella.shell.words import expand
from lamella.syntax.instructions import Copy, Run, TypedInstruction

if TYPE_CHECKING:
    from lamella.plan.stage import Plan

_NUMBER = r"[+-]?[0-9]+"


def close_stage(plan: Plan, name: str) -> str | None:
    """The stage whose name ``name`` may be a slip of."""
    from difflib import get_close_matches

    names = [stage.name for stage in plan.stages if stage.name]
    return next(iter(get_close_matches(name.lower(), names, n=1, cutoff=0.7)), None)


class StageNames(NamedTuple):
    """``numbers`` by lower-case name (the last stage of that name); ``labels`` are how messages call each stage."""

    numbers: dict[str, int]
    labels: tuple[str, ...]
    named_contexts: tuple[str, ...]

    def resolve(self, name: str, where: str) -> Source:
        """A stage's name in any case, else its number, else a named context, else an image.

        Raises DockerfileError for a number that no stage has.
        """
        number = self.numbers.get(name.lower())
        if number is not None:
            return SourceStage(number)
        if self.named_contexts and short_name(name) in self.named_contexts:
            return SourceContext(short_name(name))
        if re.fullmatch(_NUMBER, name):
            if 0 <= int(name) < len(self.labels):
                return SourceStage(int(name))
            known = ", ".join(f"{number} is {label}" for number, label in enumerate(self.labels))
            raise DockerfileError(
                f"there is no stage number {name}",
                where=where,
                hint=f"stages count from 0: {known}",
                code="unknown-stage",
            )
        return SourceImage(name)


def from_words(instruction: TypedInstruction) -> Iterator[str]:
    """What the instruction names as sources, as written."""
    if isinstance(instruction, Copy) and instruction.from_:
        yield instruction.from_
    elif isinstance(instruction, Run):
        for mount in instruction.mounts:
            source = mount.option("from")
            if source and mount.type != "tmpfs":
                yield source


def check_plain(name: str, where: str) -> str:
    """``name`` itself. Raises DockerfileError where it holds a variable: which stages are needed is known before."""
    if expand(name, lambda _: "", where=where) != name:
        raise DockerfileError(
            f"{name!r}: variables are not expanded in --from",
            where=where,
            hint="put a stage on top, FROM $IMAGE AS name, and use --from=name",
        )
    return name
