"""Steps: what a stage's instructions come to once variables are expanded and the base's config is known.

A step is frozen and self-contained: the engine needs nothing of the Dockerfile beside it. Every step carries the
config as it stands after it, and the history entry it writes.
"""

from __future__ import annotations

from typing import NamedTuple

from lamella.oci.config import RunConfig


class StepInfo(NamedTuple):
    """What every step has. ``where`` is ``file:line``; ``text`` is the instruction for display, on one line;
    ``created_by`` is the history text as BuildKit writes it; ``number`` counts the stage's instructions from 1.
    ``history`` False means no history entry at all (ONBUILD). ``begins_layer`` is for ``# lamella: layer`` above it."""

    where: str
    line: int
    number: int
    keyword: str
    text: str
    created_by: str
    history: bool = True
    begins_layer: bool = False


class InlineFile(NamedTuple):
    """A heredoc given to COPY or ADD: a regular file of that name, already expanded."""

    name: str
    content: bytes


class SourceContext(NamedTuple):
    """The build context, or with a name a ``--build-context``."""

    name: str = ""


class SourceStage(NamedTuple):
    number: int


class SourceImage(NamedTuple):
    reference: str


Source = SourceContext | SourceStage | SourceImage


class MountStep(NamedTuple):
    """One RUN mount, expanded and checked. ``target`` is absolute. Fields that a type does not use keep defaults."""

    type: str  # bind, cache, tmpfs, secret, ssh
    target: str
    source_path: str = ""
    source: Source | None = None
    readonly: bool = False
    id: str = ""
    sharing: str = "shared"
    mode: int | None = None
    uid: int = 0
    gid: int = 0
    size: int = 0
    required: bool = False
    env: str = ""


class RunStep(NamedTuple):
    """``argv`` is what is executed, shell included. ``env`` holds ENV and the ARGs in scope, ``NAME=value``;
    ``proxy_env`` the predefined proxy ARGs, which are passed but stay out of cache key and history.
    ``script`` is a heredoc to be run as a script file, with ``argv`` naming it by the placeholder SCRIPT;
    ``script_name`` is the heredoc's name, which BuildKit gives the file (``/dev/pipes/EOF``)."""

    info: StepInfo
    config: RunConfig
    argv: tuple[str, ...]
    env: tuple[str, ...]
    proxy_env: tuple[str, ...]
    cwd: str
    user: str
    mounts: tuple[MountStep, ...] = ()
    network: str = "default"
    security: str = "sandbox"
    hostname: str = "buildkitsandbox"
    script: bytes | None = None
    script_name: str = ""


#: stands in ``argv`` for the path of the script file of a ``#!`` heredoc
SCRIPT = "\0script"


class CopyStep(NamedTuple):
    """COPY and ADD. ``destination`` is absolute and keeps its trailing slash; ``sources`` are patterns, cleaned of a
    leading ``/``; ``urls`` and ``git`` sources stand in ``remotes``. ``chown`` and ``chmod`` are as written."""

    info: StepInfo
    config: RunConfig
    source: Source
    sources: tuple[str, ...]
    destination: str
    inline: tuple[InlineFile, ...] = ()
    remotes: tuple[str, ...] = ()
    chown: str | None = None
    chmod: str | None = None
    link: bool = False
    parents: bool = False
    excludes: tuple[str, ...] = ()
    add: bool = False  # ADD: local tar archives are unpacked
    unpack: bool | None = None
    checksum: str | None = None
    keep_git_dir: bool = False

    @property
    def linked(self) -> bool:
        """Whether the layer is made without a look at what is below it. As in BuildKit, ``--chmod`` switches ``--link``
        off."""
        return self.link and self.chmod is None


class WorkdirStep(NamedTuple):
    """Makes ``path`` (absolute) where it is missing, owned by ``user``."""

    info: StepInfo
    config: RunConfig
    path: str
    user: str


class ConfigStep(NamedTuple):
    """Changes the config only."""

    info: StepInfo
    config: RunConfig


Step = RunStep | CopyStep | WorkdirStep | ConfigStep
