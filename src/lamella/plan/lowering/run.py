"""RUN. The shell expands variables in its text, not the builder; mount options are the exception."""

from __future__ import annotations

from lamella.errors import DockerfileError
from lamella.plan.lowering.process import in_shell
from lamella.plan.lowering.state import Lowering
from lamella.plan.step import SCRIPT, MountStep, RunStep
from lamella.syntax.instructions import Command, Run
from lamella.syntax.nodes import Heredoc

#: where BuildKit puts a script's file; it shows in the history and in ``$0``
_SCRIPT_FOLDER = "/dev/pipes/"
#: what a build argument of this name says is the step's host name, in place of BuildKit's own
_HOSTNAME = "BUILDKIT_SANDBOX_HOSTNAME"


def lower_run(lowering: Lowering, instruction: Run) -> None:
    """The text reaches the shell as one word. A lone heredoc is the text itself, or with ``#!`` a script file."""
    mounts: tuple[MountStep, ...] = ()
    if instruction.mounts:
        from lamella.plan.lowering.mounts import lower_mounts  # only where it is needed: start-up time is a feature

        mounts = lower_mounts(lowering, instruction.mounts)
    command, script = instruction.command, None
    if instruction.heredocs:
        command, script = _with_heredocs(lowering, instruction)
    argv = in_shell(lowering, command)
    config = lowering.config
    step = RunStep(
        info=lowering.info(f"RUN {_declared(lowering)}{' '.join(argv)} # buildkit"),
        config=config,
        argv=argv,
        env=tuple(f"{name}={value}" for name, value in lowering.environment.items()),
        proxy_env=tuple(entry for entry in lowering.proxy_env if entry.partition("=")[0] not in lowering.environment),
        cwd=lowering.working_dir,
        user=config.user,
        mounts=mounts,
        network=instruction.network,
        security=instruction.security,
        hostname=lowering.given.get(_HOSTNAME) or RunStep._field_defaults["hostname"],
    )
    if script is not None:
        path = _SCRIPT_FOLDER + script.name
        named = tuple(SCRIPT if word == path else word for word in argv)
        content = script.content.encode("utf-8", "surrogateescape")
        step = step._replace(argv=named, script=content, script_name=script.name)
    lowering.add(step)


def _with_heredocs(lowering: Lowering, instruction: Run) -> tuple[Command, Heredoc | None]:
    """What the shell gets for a RUN with heredocs, and the heredoc that is a script file."""
    text = instruction.command.shell
    if text is None:
        raise lowering.refuse(DockerfileError, "a heredoc needs the shell form of RUN", "write RUN <<EOF")
    from lamella.syntax.heredocs import parse_marker  # only where it is needed: start-up time is a feature

    first = instruction.heredocs[0]
    if parse_marker(text) is None:
        # the shell reads heredocs inside of a longer text by itself, so it is given their bodies again
        bodies = "".join(f"\n{lowering.body_as_written(heredoc)}{heredoc.name}" for heredoc in instruction.heredocs)
        return Command(text + bodies, None), None
    if lowering.body_as_written(first).startswith("#!"):  # behind the tabs of <<- it is none, in BuildKit too
        return Command(_SCRIPT_FOLDER + first.name, None), first
    return Command(first.content, None), None


def _declared(lowering: Lowering) -> str:
    """The declared ARGs with their values, as the history shows them: ``|2 A=1 B= ``."""
    values: dict[str, str] = {}
    for name, value in lowering.args:
        values[name] = lowering.environment.get(name, value or "")
    if not values:
        return ""
    return " ".join([f"|{len(values)}", *(f"{name}={value}" for name, value in values.items())]) + " "
