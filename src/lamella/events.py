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


class MissReason(NamedTuple):
    """One thing that is not as it was when the step was built last. ``what`` is a word of this list:

    - of what is read: ``file`` (``name`` is its path; ``change`` one or more of content, mode, owner, type, link,
      attributes, or new, gone, ignored), ``more-files`` (``after`` is their number), ``reads`` (no more is known)
    - of the step: ``instruction`` (two texts), ``heredoc``, ``flag`` (``name`` as in ``--chown``), ``shell``, ``user``,
      ``cwd``, ``network``, ``security``, ``arg`` and ``env`` (``name`` a variable, ``change`` new, gone or value)
    - of what lies below: ``base-image`` (``name`` a reference and two digests, or "" and two references),
      ``base-stage``, ``step-above`` (``where``; ``change`` made-again or other-result), ``step-gone`` (its text in
      ``before``), ``below`` (no more is known)
    - of the cache: ``layer-removed``, ``record-removed``, ``epoch``, ``no-cache``, ``format`` (written by another
      version), ``not-built-before``"""

    what: str
    name: str = ""
    change: str = ""
    before: str = ""
    after: str = ""
    where: str = ""


class CacheMissed(NamedTuple):
    """Why a step was not in the cache. Emitted for those who asked, before the step is executed."""

    step: str
    reasons: tuple[MissReason, ...]


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


class BlobMoved(NamedTuple):
    """Where a blob of a pull or push stands: ``state`` is ``waiting``, ``downloading``, ``unpacking``, ``compressing``
    or ``uploading``, with bytes ``done`` and in ``total``; or it is the last one: ``done``, ``present`` (it was there
    already) or ``mounted`` (another repository of the registry had it). ``blob`` is its digest."""

    blob: str
    state: str
    done: int
    total: int


class Transferred(NamedTuple):
    """A pull or push has ended. ``what`` is ``pulled`` or ``pushed``; ``reference`` and ``digest`` are those of the
    registry. ``bytes`` were moved in ``blobs``; ``spared`` bytes were not, in ``present`` blobs that were there already
    and ``mounted`` ones. ``changed`` is False where nothing had to be done."""

    what: str
    reference: str
    digest: str
    bytes: int
    blobs: int
    spared: int
    present: int
    mounted: int
    seconds: float
    changed: bool


Event = (
    StepStarted | StepOutput | StepFinished | CacheMissed | StepErrored | Note | ImageWritten | BlobMoved | Transferred
)
Emit = Callable[[Event], None]


def ignore(event: Event) -> None:
    """For those who do not listen."""
