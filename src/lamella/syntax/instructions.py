"""Typed instructions: what each node means, before variables are expanded.

Every text field is as written (quotes and ``$`` kept, unless said otherwise): expansion is the plan's work.
``node`` is the instruction they were read from.
"""

from __future__ import annotations

from typing import NamedTuple

from lamella.syntax.nodes import Heredoc, Instruction


class KeyValue(NamedTuple):
    """``value`` is None for ``ARG NAME`` without a default. Quotes are kept; the expansion takes them off."""

    key: str
    value: str | None


class Mount(NamedTuple):
    """One ``RUN --mount=…``.

    Names of options are normalised (``dst`` and ``destination`` to ``target``, ``src`` to ``source``, ``ro`` to
    ``readonly``; ``rw`` and ``readwrite`` to ``readonly`` with the opposite value); of equal names the last counts. A
    bare option has the value ``"true"``. ``type`` is not among the options. Variables are not expanded here:
    :func:`lamella.syntax.mounts.resolve_mount` does that, checks the outcome and says ``readonly`` in any case. A
    ``readwrite`` with a variable keeps its name until then.
    """

    type: str
    options: tuple[KeyValue, ...]
    line: int

    def option(self, name: str) -> str | None:
        return next((pair.value for pair in self.options if pair.key == name), None)


class Command(NamedTuple):
    """Words of RUN, CMD, ENTRYPOINT or HEALTHCHECK CMD: ``exec`` for the JSON form, else ``shell`` is the text."""

    shell: str | None
    exec: tuple[str, ...] | None


class From(NamedTuple):
    node: Instruction
    image: str
    name: str | None  # lower case
    platform: str | None


class Arg(NamedTuple):
    node: Instruction
    args: tuple[KeyValue, ...]


class Env(NamedTuple):
    node: Instruction
    pairs: tuple[KeyValue, ...]
    legacy: bool  # ``ENV key value``


class Label(NamedTuple):
    node: Instruction
    pairs: tuple[KeyValue, ...]
    legacy: bool


class Run(NamedTuple):
    node: Instruction
    command: Command
    mounts: tuple[Mount, ...]
    network: str  # "default", "none", "host"
    security: str  # "sandbox", "insecure"
    heredocs: tuple[Heredoc, ...]


class Copy(NamedTuple):
    """COPY. ``sources`` leaves out the heredocs, which stand in ``heredocs``, each a file named as its delimiter."""

    node: Instruction
    sources: tuple[str, ...]
    destination: str
    from_: str | None
    chown: str | None
    chmod: str | None
    link: bool
    parents: bool
    excludes: tuple[str, ...]
    heredocs: tuple[Heredoc, ...]


class Add(NamedTuple):
    node: Instruction
    sources: tuple[str, ...]
    destination: str
    chown: str | None
    chmod: str | None
    link: bool
    keep_git_dir: bool
    checksum: str | None
    unpack: bool | None
    excludes: tuple[str, ...]
    heredocs: tuple[Heredoc, ...]


class Workdir(NamedTuple):
    node: Instruction
    path: str


class User(NamedTuple):
    node: Instruction
    user: str


class Cmd(NamedTuple):
    node: Instruction
    command: Command


class Entrypoint(NamedTuple):
    node: Instruction
    command: Command


class Expose(NamedTuple):
    node: Instruction
    ports: tuple[str, ...]


class Volume(NamedTuple):
    node: Instruction
    paths: tuple[str, ...]


class Shell(NamedTuple):
    node: Instruction
    shell: tuple[str, ...]


class Stopsignal(NamedTuple):
    node: Instruction
    signal: str


class HealthcheckInstruction(NamedTuple):
    """``command`` None is HEALTHCHECK NONE. Times are in nanoseconds, 0 for unsaid."""

    node: Instruction
    command: Command | None
    interval: int
    timeout: int
    start_period: int
    start_interval: int
    retries: int


class Maintainer(NamedTuple):
    node: Instruction
    name: str


class Onbuild(NamedTuple):
    """``trigger`` is the inner instruction's text as it is kept in the image."""

    node: Instruction
    trigger: str


TypedInstruction = (
    From
    | Arg
    | Env
    | Label
    | Run
    | Copy
    | Add
    | Workdir
    | User
    | Cmd
    | Entrypoint
    | Expose
    | Volume
    | Shell
    | Stopsignal
    | HealthcheckInstruction
    | Maintainer
    | Onbuild
)
