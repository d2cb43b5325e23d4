"""Why a body has to stay a RUN of its own, or the last of one, whatever is put around it.

Between two RUNs more ends than a shell: all processes of the container, its mounts, and the files that the builder
lays over the image for the time of one RUN (Docker: /etc/hosts, /etc/hostname, /etc/resolv.conf, /dev, /proc, /sys).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from lamella.shell.bashisms import find_bashism
from lamella.shell.command import Command
from lamella.shell.dialect import Dialect
from lamella.shell.parameters import read_parameters
from lamella.shell.script import Script
from lamella.shell.services import leaves_process

#: parameters that tell one process from another
_IDENTITY = frozenset({"$", "!", "_", "PPID", "BASHPID", "SECONDS", "BASH_SUBSHELL", "BASH_EXECUTION_STRING"})
_OVERLAID = re.compile(
    r"(?<![\w./}-])(?:/etc/(?:hosts|hostname|resolv\.conf)(?![\w.-])"
    r"|/dev/(?!(?:null|zero|full|tty|u?random|std(?:in|out|err)|fd|tcp|udp)(?![\w-]))\w+"
    r"|/proc/sys/[\w/]*|/sys/[\w/]+)"
)
_SET_LETTERS = re.compile(r"[-+][abCefhmnouvxEBHPTp]+")


def find_hazard(script: Script, dialect: Dialect) -> str | None:
    """Why the body cannot share a RUN with any other; None where it can."""
    return _of_syntax(script, dialect) or _of_processes(script) or _of_parameters(script) or _of_builtins(script)


def find_end(script: Script, folder: str | None) -> str | None:
    """Why no other body may follow in the same RUN. ``folder`` is the WORKDIR, where it is known."""
    overlaid = _OVERLAID.search(script.source)
    if overlaid:
        return f"{overlaid.group()} is laid over the image for one RUN only"
    if folder and folder != "/":
        moves = any(command.name in ("cd", "pushd") for command in script.commands)
        for command in script.commands:
            if command.program in ("rm", "rmdir", "mv") and _takes_away(command, folder, moves=moves):
                return f"it may remove the working directory {folder}, which the next RUN gets anew"
    return None


def _of_syntax(script: Script, dialect: Dialect) -> str | None:
    if "\n" in script.text:
        return "it holds a line break, which continuation lines cannot carry"
    if any(node.kind == "heredoc_redirect" for node in script.root.walk()):
        return "it holds a here-document, which needs lines of its own"
    if not dialect.bash:
        bashism = find_bashism(script.root, script.text)
        if bashism:
            return f"it uses {bashism}, which not every /bin/sh reads as bash does"
    return None


def _of_processes(script: Script) -> str | None:
    for node in script.root.walk():
        if node.kind.endswith("_expression") or node.kind == "arithmetic_expansion":
            continue
        if any(child.kind == "&" for child in node.children):
            return "it starts a background job (&), which ends with its RUN"
        if node.kind == "process_substitution" and node.children[0].kind == ">(":
            return "a process behind >( … ) may still be running when it ends"
    for command in script.commands:
        if leaves_process(command):
            return f"{command.program} may leave a process running, which ends with its RUN"
        if command.program in ("mount", "umount"):
            return f"{command.program}: what is mounted ends with its RUN"
    return None


def _of_parameters(script: Script) -> str | None:
    for name in read_parameters(script):
        if name in _IDENTITY:
            return f"it reads ${name}, which is another in another process"
    return None


def _of_builtins(script: Script) -> str | None:
    if any(name == "return" for name in _outside_functions(script)):
        return "it returns without a function, which shells take differently"
    for command in script.commands:
        if command.name == "set" and not _set_is_known(command):
            return "it calls set with an option that shells take differently"
    return None


def _outside_functions(script: Script) -> Iterator[str]:
    """Names of the commands that stand in no function."""
    functions = [node for node in script.root.walk() if node.kind == "function_definition"]
    for command in script.commands:
        if command.name and not any(node.start <= command.start < node.end for node in functions):
            yield command.name


def _set_is_known(command: Command) -> bool:
    for word in command.words:
        if word is not None and (word in ("--", "-") or not word.startswith(("-", "+"))):
            break
        if word is not None and not _SET_LETTERS.fullmatch(word):
            return False
    return True


def _takes_away(command: Command, folder: str, *, moves: bool) -> bool:
    parts = [part for part in folder.split("/") if part]
    words = command.words[:-1] if command.program == "mv" else command.words
    for word in words:
        if word is None or word.startswith("-"):
            continue
        steps = [step for step in word.split("/") if step not in ("", ".")]
        if word.startswith("/"):
            if steps == parts[: len(steps)] or _matches(steps, parts):
                return True
        elif not steps or ".." in steps or (moves and steps[-1] in parts):
            return True
    return False


def _matches(steps: list[str], parts: list[str]) -> bool:
    """Whether an absolute path with patterns may name the folder or one above it."""
    if len(steps) > len(parts):
        return False
    for step, part in zip(steps, parts, strict=False):
        pattern = re.escape(step).replace(r"\*", ".*").replace(r"\?", ".")
        if step != part and not ("[" in step or "{" in step or re.fullmatch(pattern, part)):
            return False
    return True
