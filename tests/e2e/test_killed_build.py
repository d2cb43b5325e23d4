"""A build that is killed at any moment leaves no mount and no process, and a store that verifies."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

Shell = Any
pytestmark = pytest.mark.containers

KILLS = 30
DOCKERFILE = """FROM alpine:3.20 AS other
RUN seq 1 20000 > /numbers && sleep 0.05
RUN gzip -k /numbers
FROM alpine:3.20
COPY files /files
RUN --mount=type=cache,target=/cache,sharing=locked --mount=target=/context,rw --mount=type=secret,id=s,env=S \
    rm -rf /etc/apk && cp -r /files /again && cp -rf /context/. /cache && sleep 0.05
RUN --mount=type=cache,target=/cache,sharing=locked --mount=from=other,target=/other \
    find / -xdev | wc -l > /count
COPY --from=other /numbers.gz /
RUN rm /files/a* && touch /done
"""


def _start(shell: Shell, number: int) -> subprocess.Popen[bytes]:
    (shell.folder / "files" / "changing").write_text(str(number))
    return subprocess.Popen(
        [sys.executable, "-m", "lamella", "build", "--no-cache", "-t", "killed", "--secret", "id=s,env=PATH", "."],
        cwd=shell.folder,
        env=shell.env,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        stdin=subprocess.DEVNULL,
    )


def _processes_of(shell: Shell) -> list[str]:
    """Command lines of living processes that name the store."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            line = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if str(shell.store) in line and int(folder.name) != os.getpid():
            found.append(line)
    return found


def test_thirty_kills_at_random_moments(alpine: Shell) -> None:
    for number in range(60):
        alpine.write(f"files/a{number}", os.urandom(20_000))
    alpine.write("Dockerfile", DOCKERFILE)
    lasted = []
    for number in (0, -1):  # the first unpacks the base, which the later ones need not
        began = time.monotonic()
        assert _start(alpine, number).wait(timeout=60) == 0
        lasted.append(time.monotonic() - began)
    whole = min(lasted)
    rng = random.Random(20)
    killed = 0
    for number in range(KILLS):
        process = _start(alpine, number)
        time.sleep(rng.uniform(0.02, whole))
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
            killed += 1
        process.wait(timeout=30)
    assert killed > KILLS // 3, "on a machine that is busy with other things"
    assert _start(alpine, 999).wait(timeout=60) == 0
    assert alpine.mounts() == []
    deadline = time.monotonic() + 10
    while _processes_of(alpine) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert _processes_of(alpine) == []
    alpine.verify()
    leftovers = list((alpine.store / "lamella" / "tmp").iterdir())
    assert leftovers == []


def _interrupt(shell: Shell) -> tuple[int, str, float]:
    """Starts a build, presses Ctrl-C once a RUN has printed ``started``: exit code, stderr, seconds it took to end."""
    with subprocess.Popen(
        [sys.executable, "-m", "lamella", "build", "."],
        cwd=shell.folder,
        env=shell.env,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
    ) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if b"| started" in line:
                break
        began = time.monotonic()
        process.send_signal(signal.SIGINT)
        rest = process.stderr.read().decode()
        return process.wait(timeout=20), rest, time.monotonic() - began


@pytest.mark.parametrize(
    "dockerfile",
    [
        "FROM alpine:3.20\nRUN echo started; sleep 60\n",
        "FROM alpine:3.20 AS a\nRUN echo started; sleep 60\nFROM alpine:3.20 AS b\nRUN sleep 60\n"
        "FROM scratch\nCOPY --from=a / /\nCOPY --from=b / /\n",
    ],
    ids=["one stage", "stages side by side"],
)
def test_an_interrupted_build_says_so_and_cleans_up(alpine: Shell, dockerfile: str) -> None:
    alpine.write("Dockerfile", dockerfile)
    status, stderr, seconds = _interrupt(alpine)
    assert status == 130, stderr
    assert "interrupted" in stderr
    assert "Traceback" not in stderr
    assert seconds < 15
    assert alpine.mounts() == []
    assert _processes_of(alpine) == []
    alpine.verify()
