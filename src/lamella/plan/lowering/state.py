"""A stage on its way from instructions to steps: config, variables, and what has been made so far."""

from __future__ import annotations

from typing import Any, NamedTuple

from lamella.errors import LamellaError
from lamella.oci.config import RunConfig
from lamella.oci.platform import Platform
from lamella.plan.arguments import plan_global_values, proxy_environment
from lamella.plan.lowering.paths import absolute_path
from lamella.plan.references import StageNames
from lamella.plan.stage import Plan, Stage, StageState, Warning_
from lamella.plan.step import ConfigStep, Source, Step, StepInfo
from lamella.shell.words import Expansion, analyse, expand_body
from lamella.syntax.nodes import Document, Heredoc, Instruction

#: what a base without one is given. Source: BuildKit
DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
DEFAULT_SHELL = ("/bin/sh", "-c")


class Place(NamedTuple):
    """Where an instruction comes from. ``source`` is the text that the spans of its node point into: the document's,
    or the trigger's own for one that a base brought along."""

    where: str
    line: int
    source: str
    node: Instruction
    trigger: bool = False


class Lowering:
    """The one value here that changes while it is worked on; it lives for one call of ``lower_stage``.

    ``environment`` is what variables are expanded with and RUN is given: ENV and the ARGs in scope, the later one
    winning, in the order in which BuildKit hands them over. ``args`` are the ARGs declared so far, base stages
    included. ``given`` are the ``--build-arg`` values, ``global_values`` those of the ARGs before the first FROM.
    """

    def __init__(self, plan: Plan, stage: Stage, names: StageNames, base: StageState | None) -> None:
        options = plan.options
        self.stage = stage
        self.document = plan.document
        self.escape = plan.document.escape
        self._marked = "lamella:" in plan.document.text.lower()
        self.names = names
        self.given = dict(options.build_args)
        self.global_values = plan_global_values(plan)
        self.proxy_env = proxy_environment(options)
        self.platform: Platform = base.platform if base is not None else options.target_platform
        self.config = base.config if base is not None else RunConfig(working_dir="/")
        self.args: list[tuple[str, str | None]] = list(base.args) if base is not None else []
        self.author = ""
        self.cmd_set = False
        self.steps: list[Step] = []
        self.sources: dict[Source, None] = {}
        self.warnings: dict[Warning_, None] = {}
        if self.config.working_dir:
            self.config = self.config._replace(working_dir=absolute_path(self.config.working_dir, "/"))
        if "PATH" not in self.config.env_map():
            self.config = self.config._replace(env=(*self.config.env, f"PATH={DEFAULT_PATH}"))
        self.environment: dict[str, str] = {}
        for name, value in self.args:
            if value is not None:
                self.set_variable(name, value)
        for name, value in self.config.env_map().items():
            self.set_variable(name, value)
        self._place: Place | None = None

    @property
    def place(self) -> Place:
        assert self._place is not None
        return self._place

    def begin(self, place: Place) -> None:
        """From here on the instruction at ``place`` is being lowered."""
        self._place = place

    @property
    def shell(self) -> tuple[str, ...]:
        return self.config.shell or DEFAULT_SHELL

    @property
    def working_dir(self) -> str:
        return self.config.working_dir or "/"

    def set_variable(self, name: str, value: str) -> None:
        self.environment.pop(name, None)  # a new value goes to the end
        self.environment[name] = value

    def set_config(self, **changes: Any) -> None:
        self.config = self.config._replace(**changes)

    def expand(self, text: str) -> str:
        """One word. Raises DockerfileError at the instruction."""
        return self.analyse(text).text

    def analyse(self, text: str) -> Expansion:
        expansion = analyse(text, self.environment.get, escape=self.escape, where=self.place.where)
        self._warn_of_missing(expansion)
        return expansion

    def expand_body(self, text: str) -> str:
        """A heredoc's body, whose quotes are text."""
        return expand_body(text, self.environment.get, where=self.place.where)

    def _warn_of_missing(self, expansion: Expansion) -> None:
        declared = {name for name, _ in self.args}
        for name in expansion.missing:
            if name not in declared:
                self.warn(f"the variable {name} is not set here and stands for nothing", "UndefinedVar")

    def warn(self, message: str, rule: str) -> None:
        self.warnings[Warning_(self.place.where, message, rule)] = None

    def refuse(self, kind: type[LamellaError], message: str, hint: str) -> LamellaError:
        """The error to raise at this instruction."""
        return kind(message, where=self.place.where, hint=hint)

    def body_as_written(self, heredoc: Heredoc) -> str:
        """A heredoc's body with the tabs that ``<<-`` strips."""
        lines = self.place.source[heredoc.span.start : heredoc.span.end]
        return lines[: lines.rstrip("\r\n").rfind("\n") + 1]

    def info(self, created_by: str, *, history: bool = True) -> StepInfo:
        place = self.place
        return StepInfo(
            where=place.where,
            line=place.line,
            number=len(self.steps) + 1,
            keyword=place.node.keyword,
            text=display_text(place),
            created_by=created_by,
            history=history,
            begins_layer=self._marked and not place.trigger and _begins_layer(self.document, place.node),
        )

    def add(self, step: Step) -> None:
        self.steps.append(step)

    def add_config_step(self, created_by: str, *, history: bool = True) -> None:
        """For an instruction that changes the config only; call it when the config is changed."""
        self.add(ConfigStep(self.info(created_by, history=history), self.config))

    def source(self, name: str) -> Source:
        """What ``from`` names; remembered among the stage's sources."""
        return self.uses(self.names.resolve(name, self.place.where))

    def uses(self, source: Source) -> Source:
        self.sources[source] = None
        return source


def _begins_layer(document: Document, node: Instruction) -> bool:
    from lamella.plan.pragma import read_pragma  # only where it is needed: start-up time is a feature

    return read_pragma(document, node).layer


def display_text(place: Place) -> str:
    """The instruction on one line: ``RUN apk add curl``; of heredocs their first lines."""
    node = place.node
    text = f"{node.keyword} {' '.join(node.logical.split()[1:])}".strip()
    if place.trigger:
        text = f"ONBUILD {text}"
    for heredoc in node.heredocs:
        lines = heredoc.content.strip().splitlines() or [""]
        text += f" ({lines[0]}{'...' if len(lines) > 1 else ''})"
    return text
