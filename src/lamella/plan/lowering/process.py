"""CMD, ENTRYPOINT, SHELL, HEALTHCHECK, STOPSIGNAL, USER and MAINTAINER: how a container of the image runs."""

from __future__ import annotations

from lamella.errors import DockerfileError
from lamella.oci.config import Healthcheck
from lamella.plan.lowering.gotext import duration, plain_list, quote_rune, quoted_list
from lamella.plan.lowering.state import Lowering
from lamella.syntax.instructions import (
    Cmd,
    Command,
    Entrypoint,
    HealthcheckInstruction,
    Maintainer,
    Shell,
    Stopsignal,
    User,
)

_SIGNALS = {
    "ABRT", "ALRM", "BUS", "CHLD", "CLD", "CONT", "FPE", "HUP", "ILL", "INT", "IO", "IOT", "KILL", "PIPE", "POLL",
    "PROF", "PWR", "QUIT", "RTMAX", "RTMIN", "SEGV", "STKFLT", "STOP", "SYS", "TERM", "TRAP", "TSTP", "TTIN", "TTOU",
    "URG", "USR1", "USR2", "VTALRM", "WINCH", "XCPU", "XFSZ",
    *(f"RTMIN+{number}" for number in range(1, 16)), *(f"RTMAX-{number}" for number in range(1, 15)),
}  # fmt: skip


def in_shell(lowering: Lowering, command: Command) -> tuple[str, ...]:
    """The words to execute: those of the exec form, or the shell with the text as one word."""
    if command.exec is not None:
        return command.exec
    return (*lowering.shell, command.shell or "")


def lower_cmd(lowering: Lowering, instruction: Cmd) -> None:
    words = in_shell(lowering, instruction.command)
    lowering.cmd_set = True
    lowering.set_config(cmd=words, args_escaped=True)
    lowering.add_config_step(f"CMD {quoted_list(words)}")


def lower_entrypoint(lowering: Lowering, instruction: Entrypoint) -> None:
    """A CMD that came with the base is the default of another entry point, so it goes."""
    words = in_shell(lowering, instruction.command)
    lowering.set_config(entrypoint=words)
    if not lowering.cmd_set:
        lowering.set_config(cmd=None)
    lowering.add_config_step(f"ENTRYPOINT {quoted_list(words)}")


def lower_shell(lowering: Lowering, instruction: Shell) -> None:
    lowering.set_config(shell=instruction.shell)
    lowering.add_config_step(f"SHELL {plain_list(instruction.shell)}")


def lower_healthcheck(lowering: Lowering, instruction: HealthcheckInstruction) -> None:
    """Replaces the whole of an inherited check, times included."""
    command = instruction.command
    if command is None:
        health = Healthcheck(("NONE",))
    else:
        test = ("CMD-SHELL", command.shell or "") if command.exec is None else ("CMD", *command.exec)
        health = Healthcheck(
            test,
            instruction.interval,
            instruction.timeout,
            instruction.start_period,
            instruction.start_interval,
            instruction.retries,
        )
    lowering.set_config(healthcheck=health)
    times = (health.interval, health.timeout, health.start_period, health.start_interval)
    shown = " ".join(f'"{duration(time)}"' for time in times)
    lowering.add_config_step(f"HEALTHCHECK &{{{quoted_list(health.test)} {shown} {quote_rune(health.retries)}}}")


def lower_stopsignal(lowering: Lowering, instruction: Stopsignal) -> None:
    """A number other than 0, or a name with or without SIG, in any case; kept as written."""
    signal = lowering.expand(instruction.signal)
    number = signal.removeprefix("-").removeprefix("+")
    valid = int(number) != 0 if number.isascii() and number.isdecimal() else _is_signal_name(signal)
    if not valid:
        raise lowering.refuse(
            DockerfileError, f"{signal!r} is no signal", "write a name such as SIGTERM, or a number such as 15"
        )
    lowering.set_config(stop_signal=signal)
    lowering.add_config_step(f"STOPSIGNAL {signal}")


def _is_signal_name(text: str) -> bool:
    return text.upper().removeprefix("SIG") in _SIGNALS


def lower_user(lowering: Lowering, instruction: User) -> None:
    user = lowering.expand(instruction.user)
    lowering.set_config(user=user)
    lowering.add_config_step(f"USER {user}")


def lower_maintainer(lowering: Lowering, instruction: Maintainer) -> None:
    lowering.author = instruction.name
    lowering.add_config_step(f"MAINTAINER {instruction.name}")
