"""The recorder still finds in the real Docker what is recorded: a few cases of each kind, for it takes its time."""

from __future__ import annotations

from pathlib import Path

import pytest
from casefile import all_cases, recorded
from docker26 import Docker26, JudgeMissing
from record import import_bases, record

SOME = (
    "add/git-ref",
    "add/tar-over-files",
    "config/everything",
    "context/context-from-stdin",
    "copy/symlink-destination-absolute",
    "copy/missing",
    "from/inherits-config",
    "run/deletes-and-makes-again",
    "mount/secret-mode",
)


@pytest.mark.root
@pytest.mark.peer
@pytest.mark.slow
@pytest.mark.xdist_group("docker26")
def test_docker_still_says_so(recorded_bases: dict[str, Path]) -> None:
    cases = {case.name: case for case in all_cases()}
    try:
        with Docker26() as docker:
            bases = import_bases(docker)
            said = {name: record(docker, cases[name], bases) for name in SOME}
            version = docker.version()
    except JudgeMissing as error:
        pytest.skip(str(error))
    known = recorded()
    assert known[SOME[0]]["judge"].startswith("docker 26")
    for name in SOME:
        assert said[name] == known[name] | {"judge": version}
