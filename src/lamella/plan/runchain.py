"""Which RUN instructions of a Dockerfile can be one: what ``check`` reports and ``fix`` joins.

RUNs that follow each other form a chain while nothing stands between them that the later one may see, and while their
bodies can be joined (``lamella.shell.join``). Stages whose layers are not in the result are left alone.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from lamella.plan.pragma import read_pragma
from lamella.plan.textstages import TextStage, read_stages
from lamella.shell.dialect import DEFAULT_SHELL, Dialect, UnknownShell, read_shell
from lamella.shell.hazards import find_end
from lamella.shell.join import Joined, join_scripts, read_body
from lamella.shell.node import Unreadable
from lamella.shell.script import Script
from lamella.syntax.instructions import (
    Arg,
    Cmd,
    Entrypoint,
    Env,
    Expose,
    HealthcheckInstruction,
    Label,
    Maintainer,
    Run,
    Shell,
    Stopsignal,
    TypedInstruction,
    Workdir,
)
from lamella.syntax.nodes import Document

#: names in an ``ignore=`` comment that keep a RUN out of every chain
IGNORE = ("consecutive-runs", "join-runs")

#: more line numbers than this nobody reads
_MANY = 8

#: what no RUN can see: these may step behind the joined one
_UNSEEN = (Label, Expose, Cmd, Entrypoint, Stopsignal, HealthcheckInstruction, Maintainer)
_WINDOWS = re.compile(r"windows|nanoserver|servercore", re.IGNORECASE)


class Link(NamedTuple):
    """One RUN and its body. ``written`` is False for an exec form, whose body does not stand in the text as it is;
    ``end`` is why no other body may follow it."""

    run: Run
    script: Script
    written: bool
    end: str | None


class RunChain(NamedTuple):
    """At least two RUNs that can be one, their bodies joined. ``between`` are the instructions among them, in order."""

    stage: TextStage
    links: tuple[Link, ...]
    joined: Joined
    between: tuple[TypedInstruction, ...]

    @property
    def lines(self) -> tuple[int, int]:
        return self.links[0].run.node.line, self.links[-1].run.node.end_line

    @property
    def where(self) -> str:
        """``lines 2, 3 and 5``, or ``lines 2 to 90`` where there are many."""
        numbers = [link.run.node.line for link in self.links]
        if len(numbers) > _MANY:
            return f"lines {numbers[0]} to {numbers[-1]}"
        return f"lines {', '.join(map(str, numbers[:-1]))} and {numbers[-1]}"

    @property
    def saved(self) -> int:
        """Layers that go away."""
        return len(self.links) - 1


class Apart(NamedTuple):
    """A RUN that follows another one and is not joined to it, and why."""

    line: int
    end_line: int
    reason: str


class RunChains(NamedTuple):
    chains: tuple[RunChain, ...]
    apart: tuple[Apart, ...]


class _State(NamedTuple):
    """What a stage's instructions have set so far, as far as the text tells."""

    shell: tuple[str, ...]
    folder: str | None = None
    known: frozenset[str] = frozenset()
    windows: bool = False


def find_chains(
    document: Document,
    typed: tuple[TypedInstruction, ...],
    *,
    target: str | None = None,
    shell: tuple[str, ...] = DEFAULT_SHELL,
) -> RunChains:
    """``shell`` is what the base images set by SHELL, Docker's default where nobody knows better.

    Raises DockerfileError where there is no FROM, InputError for an unknown ``target``.
    """
    chains: list[RunChain] = []
    apart: list[Apart] = []
    ends: list[_State] = []
    for stage in read_stages(document, typed, target):
        walk = _Walk(document, stage, _start(stage, ends, shell))
        for instruction in stage.instructions:
            walk.take(instruction)
        walk.close()
        ends.append(walk.state)
        if stage.in_result:
            chains += walk.chains
            apart += walk.apart
        else:
            apart += _in_no_result(stage, walk.chains)
    return RunChains(tuple(chains), tuple(apart))


def _start(stage: TextStage, ends: list[_State], shell: tuple[str, ...]) -> _State:
    if len(stage.parents) == 1 and "$" not in stage.from_.image:
        return ends[stage.parents[0]]
    names = f"{stage.from_.image} {stage.from_.platform or ''}"
    parents = [ends[number] for number in stage.parents]
    shells = {shell, *(state.shell for state in parents)}
    windows = bool(_WINDOWS.search(names)) or any(state.windows for state in parents)
    return _State(shell if len(shells) == 1 else (), windows=windows)


def _in_no_result(stage: TextStage, chains: list[RunChain]) -> list[Apart]:
    reason = f"stage {stage.label} is not part of the result, so its layers cost nobody anything"
    return [Apart(*chain.lines, reason) for chain in chains]


class _Walk:
    """Goes through a stage's instructions and gathers chains."""

    def __init__(self, document: Document, stage: TextStage, state: _State) -> None:
        self.document = document
        self.stage = stage
        self.state = state
        self.chains: list[RunChain] = []
        self.apart: list[Apart] = []
        self._links: list[Link] = []
        self._joined: Joined | None = None
        self._between: list[TypedInstruction] = []  # seen since the last link
        self._within: list[TypedInstruction] = []  # between the links of the chain
        self._barrier: str | None = None  # why the next RUN cannot join the last one
        self._seen_run = False

    def take(self, instruction: TypedInstruction) -> None:
        if isinstance(instruction, Run):
            self._take_run(instruction)
        elif isinstance(instruction, _UNSEEN):
            self._between.append(instruction)
        else:
            node = instruction.node
            self._barrier = f"{node.keyword} on line {node.line} stands between it and the RUN before"
            self.state = _after(self.state, instruction)

    def close(self) -> None:
        """Ends the chain that is open."""
        if self._joined is not None and len(self._links) > 1:
            self.chains.append(RunChain(self.stage, tuple(self._links), self._joined, tuple(self._within)))
        self._links, self._joined, self._within = [], None, []

    def _take_run(self, run: Run) -> None:
        link = self._link(run)
        alone = link if isinstance(link, str) else None
        reason = alone or self._barrier or (self._extend(link) if isinstance(link, Link) else None)
        if reason is not None:
            if self._seen_run:
                self.apart.append(Apart(run.node.line, run.node.end_line, reason))
            self.close()
            self._links = [link] if isinstance(link, Link) else []
        self._seen_run = True
        self._between = []
        self._barrier = f"the RUN before stays as it is: {alone}" if alone else None

    def _extend(self, link: Link) -> str | None:
        """Adds a RUN to the open chain; says why where that cannot be."""
        if not self._links:
            return "it is the first RUN of its stage"
        if self._links[-1].end is not None:
            return f"the RUN before has to end there: {self._links[-1].end}"
        first = self._links[0].run
        if _flags(first) != _flags(link.run):
            return "its --mount, --network or --security differs from that of the RUN before"
        if read_pragma(self.document, link.run.node).layer:
            return "a comment asks for a layer of its own"
        dialect = read_shell(self.state.shell)
        assert isinstance(dialect, Dialect)
        scripts = [other.script for other in self._links]
        joined = join_scripts([*scripts, link.script], dialect, known=self.state.known)
        if not isinstance(joined, Joined):
            where = self._links[joined.body].run.node.line if joined.body < len(self._links) else None
            return joined.reason if where is None else f"on line {where}, {joined.reason}"
        self._links.append(link)
        self._within += self._between
        self._joined = joined
        return None

    def _link(self, run: Run) -> Link | str:
        """The RUN with its body read, or why it stays alone."""
        if read_pragma(self.document, run.node).ignores(*IGNORE):
            return "a comment says to leave it alone"
        if run.heredocs:
            return "it has a here-document"
        if self.state.windows:
            return "its stage is a Windows one"
        dialect = read_shell(self.state.shell)
        if isinstance(dialect, UnknownShell):
            return dialect.reason
        if dialect.bash and "BASH_ENV" in self.state.known:
            return "BASH_ENV is set: each new bash reads that file"
        reason = _fresh_mount(run)
        if reason is not None:
            return reason
        body = run.command.shell if run.command.exec is None else _body_of_exec(run.command.exec, self.state.shell)
        if body is None:
            return "it is in exec form, with no shell or another one"
        script = read_body(body, dialect)
        if isinstance(script, Unreadable):
            return script.reason
        if run.command.exec is not None and "<<" in body:
            return "its '<<' would begin a here-document in shell form"
        return Link(run, script, run.command.exec is None, find_end(script, self.state.folder))


def _flags(run: Run) -> tuple[object, ...]:
    mounts = tuple((mount.type, frozenset(mount.options)) for mount in run.mounts)
    return mounts, run.network, run.security


def _fresh_mount(run: Run) -> str | None:
    """Mounts that forget what is written to them: a second body would see what the first has left there."""
    for mount in run.mounts:
        writable = mount.option("readwrite") is not None or mount.option("readonly") not in (None, "true")
        if mount.type == "tmpfs" or (mount.type == "bind" and writable):
            return f"what is written to its {mount.type} mount is gone for the next RUN"
    return None


def _body_of_exec(words: tuple[str, ...], shell: tuple[str, ...]) -> str | None:
    return words[-1] if words[:-1] == shell else None


def _after(state: _State, instruction: TypedInstruction) -> _State:
    if isinstance(instruction, Shell):
        return state._replace(shell=instruction.shell)
    if isinstance(instruction, Workdir):
        return state._replace(folder=_folder(state.folder, instruction.path))
    if isinstance(instruction, Env):
        return state._replace(known=state.known | {pair.key for pair in instruction.pairs})
    if isinstance(instruction, Arg):
        return state._replace(known=state.known | {pair.key for pair in instruction.args if pair.value is not None})
    return state


def _folder(before: str | None, path: str) -> str | None:
    """The working directory after WORKDIR; None where a variable or the base image decides."""
    path = path.strip("\"'")
    if "$" in path or "\\" in path:
        return None
    if path.startswith("/"):
        return path.rstrip("/") or "/"
    return None if before is None else f"{before.rstrip('/')}/{path}".rstrip("/")
