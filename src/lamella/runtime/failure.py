"""A status that is not zero: was it the process, or the runtime, or could the program not be executed?"""

from __future__ import annotations

import json
import re

from lamella.errors import MachineError

NOT_FOUND = 127
NOT_EXECUTABLE = 126

#: what runc's last process says, on the container's stderr, when execve(2) itself is refused
_EXEC_REFUSED = re.compile(rb"exec [^\n]*: (no such file or directory|exec format error|permission denied)\n\Z")
_NOT_FOUND = re.compile(
    r"executable file not found|exec: .*no such file or directory|exec: .*not a directory|executable file .* not found"
)
_NOT_EXECUTABLE = re.compile(
    r"exec: .*(permission denied|is a directory|exec format error)|(open|stat) executable: [Pp]ermission denied"
)


def explain_failure(runtime: str, status: int, log: str, stderr: bytes) -> int:
    """The status to report. ``log`` is the runtime's log, JSON by lines; ``stderr`` the last that was written there.

    Raises MachineError where the runtime failed before the process ran."""
    message = last_error(log)
    if message is None:
        refused = _EXEC_REFUSED.fullmatch(stderr) if status in (1, 255) else None
        if refused is None:
            return status
        return NOT_FOUND if refused[1].startswith(b"no such") else NOT_EXECUTABLE
    if _NOT_FOUND.search(message):
        return NOT_FOUND
    if _NOT_EXECUTABLE.search(message):
        return NOT_EXECUTABLE
    raise MachineError(f"{runtime} could not start the process", detail=message, where=None, hint=_hint(message))


def last_error(log: str) -> str | None:
    """The last error in a runtime's log; None where there is none."""
    last = None
    try:
        with open(log, encoding="utf-8", errors="replace") as lines:
            for line in lines:
                try:
                    record = json.loads(line)
                except ValueError:
                    continue
                if isinstance(record, dict) and record.get("level") in ("error", "fatal"):
                    last = str(record.get("msg", ""))
    except FileNotFoundError:
        return None
    return last


def _hint(message: str) -> str | None:
    if "operation not permitted" in message or "permission denied" in message:
        return "run as root, outside of a container that forbids mounts"
    if "no space left" in message:
        return "free some disk space"
    return None
