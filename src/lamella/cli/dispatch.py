"""Finds the command, imports it alone, runs it, and turns errors into messages and exit codes."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse

#: Docker's top-level spellings
ALIASES = {
    "images": "image_ls",
    "history": "image_history",
    "tag": "image_tag",
    "rmi": "image_rm",
    "save": "image_save",
    "load": "image_load",
    "import": "image_import",
    "verify": "image_verify",
}
GROUPS = ("image", "system", "volume")
_HINT = "'lamella --help' lists the commands that there are"
#: commands that are planned and not there yet, each with what helps until then
LATER = {
    "slim": "'lamella image squash' joins layers, 'lamella explain IMAGE' names what is in them for nothing",
    **dict.fromkeys(("explore", "report", "budget", "base"), _HINT),
}
#: Docker's commands that are called otherwise here, or are not there, each with what does the like
ELSEWHERE = {
    "container": "'lamella ps', 'lamella run', 'lamella logs' and so on stand alone",
    **dict.fromkeys(("builder", "buildx"), "'lamella build' builds, 'lamella image prune --build-cache' tidies up"),
    **dict.fromkeys(("start", "restart"), "a container's files go when it ends: 'lamella run' makes a new one"),
    "create": "'lamella run -d' makes and starts a container",
    "attach": "'lamella logs -f' shows what it writes, 'lamella exec -it' goes inside",
    "port": "'lamella ps' shows the ports",
    **dict.fromkeys(("top", "stats"), "'lamella exec CONTAINER ps' lists its processes, where the image has a ps"),
    "cp": "'lamella exec CONTAINER cat FILE' prints a file; 'lamella build -o DIR' writes an image's files out",
    "commit": "what a container changed goes with it: 'lamella build' makes images",
    "export": "'lamella build -o - .' writes a file system as an archive",
    "network": "'lamella run --network bridge|host|none'; containers reach each other by published ports",
    "volume create": "'lamella run -v NAME:/target' makes the volume",
    "volume inspect": "'lamella volume ls' tells which containers have it",
    "volume prune": "lamella volume rm $(lamella volume ls -q --dangling)",
    "info": "'lamella system info'",
    "version": "'lamella --version'",
}
INTERNAL_ERROR = 3


def dispatch(arguments: list[str]) -> int:
    """Runs the command and returns its exit code; what goes wrong becomes one message on stderr."""
    try:
        return _guarded(arguments)
    except (KeyboardInterrupt, BrokenPipeError) as error:
        return stopped(error)


def stopped(error: KeyboardInterrupt | BrokenPipeError) -> int:
    """The exit code when nobody wants the answer any more."""
    if isinstance(error, KeyboardInterrupt):
        return _complain("interrupted", exit_code=130)
    _silence_output()
    return 141


def _guarded(arguments: list[str]) -> int:
    from lamella.errors import LamellaError

    try:
        return _run(arguments)
    except LamellaError as error:
        return _complain(error.message, error.where, error.hint, error.detail, error.exit_code)
    except BrokenPipeError:
        raise
    except OSError as error:
        return _complain_os(error)
    except Exception as error:
        import os

        if os.environ.get("LAMELLA_DEBUG"):
            raise
        return _complain(
            f"internal error: {type(error).__name__}: {error}",
            hint="this is a bug in lamella; LAMELLA_DEBUG=1 shows where it happened",
            exit_code=INTERNAL_ERROR,
        )


def _run(arguments: list[str]) -> int:
    root, arguments = _take_root(arguments)
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        from lamella.cli.overview import print_overview

        return print_overview(arguments)
    name, module, rest = _find_command(arguments)
    parser = _parser(name, module, rest)
    module.configure(parser)
    args = parser.parse_intermixed_args(rest) if getattr(module, "INTERMIXED", True) else parser.parse_args(rest)
    from lamella.cli.session import Session

    with Session(root, rest) as session:
        code: int = module.run(args, session)
        sys.stdout.flush()
        return code


def _take_root(arguments: list[str]) -> tuple[str | None, list[str]]:
    """``--root DIR`` may stand before the command."""
    if arguments and arguments[0] == "--root":
        if len(arguments) == 1:
            from lamella.errors import UsageError

            raise UsageError("--root needs a folder")
        return arguments[1], arguments[2:]
    if arguments and arguments[0].startswith("--root="):
        return arguments[0].removeprefix("--root="), arguments[1:]
    return None, arguments


def _find_command(arguments: list[str]) -> tuple[str, ModuleType, list[str]]:
    """The command's words, its module, and what is left of the arguments."""
    from lamella.errors import UsageError

    first, rest = arguments[0], arguments[1:]
    if first in GROUPS:
        if not rest or rest[0] in ("-h", "--help"):
            from lamella.cli.overview import print_overview

            raise SystemExit(print_overview([first]))
        module = _import_command(f"{first}_{rest[0]}")
        if module is not None:
            return f"{first} {rest[0]}", module, rest[1:]
        first, rest = f"{first} {rest[0]}", rest[1:]
    else:
        module = _import_command(ALIASES.get(first, first))
        if module is not None and "_" not in first:
            return first, module, rest
    if first in LATER:
        from lamella.errors import NotSupported

        raise NotSupported(f"lamella {first} is not supported yet", hint=LATER[first])
    if first in ELSEWHERE:
        raise UsageError(f"there is no command {first!r}", hint=ELSEWHERE[first])
    from lamella.cli.overview import nearest_command

    near = nearest_command(first)
    hint = f"did you mean 'lamella {near}'?" if near else "'lamella --help' lists the commands"
    raise UsageError(f"there is no command {first!r}", hint=hint)


def _import_command(name: str) -> ModuleType | None:
    import importlib

    if not name.replace("_", "").isalpha():
        return None
    qualified = f"lamella.cli.commands.{name}"
    try:
        return importlib.import_module(qualified)
    except ModuleNotFoundError as error:
        if error.name == qualified:
            return None
        raise


def _parser(name: str, module: ModuleType, arguments: list[str]) -> argparse.ArgumentParser:
    import argparse

    # There are no translations; looking for them imports locale and costs a command 2 ms.
    vars(argparse)["_"] = str

    class Parser(argparse.ArgumentParser):
        # Each flag that is added asks for a formatter, which would measure the terminal, and parse_intermixed_args for
        # the usage, in case that it has to be printed.
        helps = any(word.startswith("-") and "h" in word for word in arguments)

        def _get_formatter(self) -> argparse.HelpFormatter:
            return argparse.RawDescriptionHelpFormatter(self.prog, width=None if self.helps else 80)

        def format_usage(self) -> str:
            return super().format_usage() if self.helps else ""

        def error(self, message: str) -> object:  # type: ignore[override]
            from lamella.errors import UsageError

            hint = f"'lamella {name} --help' shows how it is called"
            unknown = message.removeprefix("unrecognized arguments: ")
            flag = next((word for word in unknown.split() if word.startswith("-")), None)
            if unknown != message and flag is not None and "--root" not in flag:
                message, hint = _unknown_flag(flag, list(self._option_string_actions), hint)
            if "arguments: --root" in message:
                hint = f"it stands before the command: lamella --root DIR {name} …"
            raise UsageError(message, hint=hint)

        def format_help(self) -> str:
            """An example first, then the flags."""
            example = "\n".join("  " + line for line in module.EXAMPLES.strip().splitlines())
            return f"{module.SUMMARY}\n\nexamples:\n{example}\n\n{super().format_help()}"

    return Parser(prog=f"lamella {name}", allow_abbrev=False)


def _unknown_flag(flag: str, known: list[str], hint: str) -> tuple[str, str]:
    """Message and hint. Words behind the flag may be its value: they are not blamed."""
    from difflib import get_close_matches

    name = flag.partition("=")[0]
    close = get_close_matches(name, known, n=1)
    return f"there is no flag {name}", f"did you mean {close[0]}?" if close else hint


def _complain_os(error: OSError) -> int:
    import errno

    where = str(error.filename) if error.filename else None
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        hint = "free some space: 'lamella image prune' removes what nothing needs"
        return _complain("no space left on the device", where, hint, exit_code=3)
    if error.errno in (errno.EACCES, errno.EPERM):
        hint = "run as root, or as the user it belongs to; --root names another store"
        return _complain(f"{error.strerror or error}", where, hint, exit_code=3)
    if error.errno == errno.ENOENT and where is None:
        return _complain("the current folder is not there any more", hint="cd to one that is")
    missing = isinstance(error, (FileNotFoundError, NotADirectoryError, IsADirectoryError))
    return _complain(f"{error.strerror or error}", where, exit_code=2 if missing else 3)


def _complain(
    message: str,
    where: str | None = None,
    hint: str | None = None,
    detail: str | None = None,
    exit_code: int = 2,
) -> int:
    """One message on stderr: what, where, why, what next."""
    from lamella.cli.text.tame import tamed

    sys.stdout.flush()
    lines = [tamed(f"error: {where}: {message}" if where else f"error: {message}")]
    if detail:
        lines += ["  | " + line for line in detail.rstrip("\n").splitlines()]
    if hint:
        lines.append(tamed(f"  hint: {hint}"))
    text = "\n".join(lines) + "\n"
    sys.stderr.write(text.encode("utf-8", "replace").decode("utf-8"))
    sys.stderr.flush()
    return exit_code


def _silence_output() -> None:
    """So that the interpreter's last flush does not complain of the closed pipe, whichever it was."""
    import os

    null = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            os.dup2(null, stream.fileno())
