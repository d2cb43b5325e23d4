"""Progress events. Engines emit them; only cli, tui and report render them."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple


class StepStarted(NamedTuple):
    """``step`` is unique in a build; ``label`` reads ``[builder 2/5]``; ``text`` is the instruction on one line."""

    step: str
    label: str
    text: str
    where: str


class StepOutput(NamedTuple):
    """``stream`` is 1 or 2; ``data`` is as the process wrote it, not cut at lines."""

    step: str
    stream: int
    data: bytes


class StepFinished(NamedTuple):
    """``size`` is the layer's content in bytes, None where the step makes no layer."""

    step: str
    cached: bool
    seconds: float
    size: int | None


class StepErrored(NamedTuple):
    step: str
    message: str


class Note(NamedTuple):
    """One line for a person. ``level`` is ``info`` or ``warning``."""

    level: str
    message: str
    where: str | None = None


class ImageWritten(NamedTuple):
    """``digest`` is the manifest's, ``image_id`` the config's."""

    digest: str
    image_id: str
    names: tuple[str, ...]


class Transferred(NamedTuple):
    """Bytes moved for one blob; ``total`` is None where it is not known."""

    what: str
    done: int
    total: int | None


Event = StepStarted | StepOutput | StepFinished | StepErrored | Note | ImageWritten | Transferred
Emit = Callable[[Event], None]


def ignore(event: Event) -> None:
    """For those who do not listen."""
