"""One more process in a container that runs. Source: OCI runtime-spec config.md, "Process"; runc-exec(8)."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from lamella.errors import InputError, MachineError
from lamella.runtime.beside import spawn_beside
from lamella.runtime.failure import explain_failure, last_error
from lamella.runtime.launch import ENVIRONMENT, Ending, Launched, Place
from lamella.runtime.protocol import Process

_NO_FOLDER = "chdir to cwd"


def own_process(place: Place) -> dict[str, Any]:
    """The container's first process as its bundle has it. Raises InputError where the container has ended."""
    try:
        with open(place.outside("config.json"), "rb") as file:
            found: dict[str, Any] = json.load(file)["process"]
    except OSError:
        raise ended() from None
    return found


def ended() -> InputError:
    return InputError("the container has ended", code="not-running")


def beside_process(base: dict[str, Any], process: Process, terminal: bool) -> dict[str, Any]:
    """``process`` with the capabilities and limits of ``base``."""
    groups = list(dict.fromkeys((process.gid, *process.groups)))
    user = {**base["user"], "uid": process.uid, "gid": process.gid, "additionalGids": groups}
    return {
        **base,
        "terminal": terminal,
        "user": user,
        "args": list(process.args),
        "env": list(process.env),
        "cwd": process.cwd,
    }


@contextmanager
def launch_beside(
    program: str,
    place: Place,
    process: dict[str, Any],
    streams: tuple[int, int, int],
    last_words: Callable[[], bytes],
    *,
    detach: bool = False,
) -> Iterator[Launched]:
    """Starts it with descriptors ``streams``; ``program`` is the runtime's path. On leaving the runtime is dead, which
    ends the process only where its streams were all that kept it. ``detach``: the runtime ends when the process runs.

    Raises InputError where the container has ended, MachineError where the runtime cannot be started."""
    name = f"exec-{os.urandom(6).hex()}"
    log, mark = place.outside(f"{name}.log"), place.outside(f"{name}.pid")
    words = ["--log", f"{place.bundle}/{name}.log", "--log-format", "json", "exec"]
    words += ["--pid-file", f"{place.bundle}/{name}.pid", *(["--detach"] if detach else [])]
    content = os.memfd_create("process", os.MFD_CLOEXEC)  # the environment may hold secrets: it reaches no disk
    try:
        with open(content, "wb", closefd=False) as file:
            file.write(json.dumps(process, ensure_ascii=False).encode("utf-8", "surrogateescape"))
        argv = [program, "--root", f"{place.bundle}/state", *words]
        argv += ["--process", f"/proc/self/fd/{content}", place.container]
        try:
            pid = spawn_beside(place.runtime, argv, ENVIRONMENT, streams, content)
        except (ProcessLookupError, FileNotFoundError):
            raise ended() from None
        except OSError as error:
            raise MachineError(
                f"{os.path.basename(program)} cannot be started: {error.strerror}", where=str(error.filename)
            ) from None
    finally:
        os.close(content)
    ending = Ending(
        lambda status: _explain(os.path.basename(program), status, log, last_words()),
        lambda: last_error(log) is not None,
    )
    launched = Launched(pid, mark, ending)
    try:
        yield launched
    finally:
        launched.close()
        for path in (log, mark):
            try:
                os.unlink(path)
            except OSError:
                continue


def _explain(runtime: str, status: int, log: str, stderr: bytes) -> int:
    try:
        return explain_failure(runtime, status, log, stderr)
    except MachineError as error:
        if error.detail and _NO_FOLDER in error.detail:
            refused = InputError("the working directory is not there", hint="name one that is with -w")
            refused.exit_code = 126
            raise refused from None
        raise
