"""Which RUNs of a Dockerfile form a chain, and what keeps others apart."""

from __future__ import annotations

import pytest

from lamella.errors import DockerfileError, InputError
from lamella.plan.pragma import Pragma, read_pragma
from lamella.plan.runchain import RunChains, find_chains
from lamella.plan.textstages import read_stages
from lamella.syntax.parser import parse
from lamella.syntax.typed import type_document


def chains(text: str, **options: object) -> RunChains:
    document = parse(text)
    return find_chains(document, type_document(document), **options)  # type: ignore[arg-type]


def lines(found: RunChains) -> list[list[int]]:
    return [[link.run.node.line for link in chain.links] for chain in found.chains]


@pytest.mark.parametrize("between", ["LABEL a=b", "EXPOSE 80", "CMD x", "ENTRYPOINT x", "STOPSIGNAL 9", "MAINTAINER x",
                                     "HEALTHCHECK NONE", "# comment", ""])  # fmt: skip
def test_what_a_run_cannot_see_stands_in_nobodys_way(between: str) -> None:
    found = chains(f"FROM a\nRUN b\n{between}\nRUN c\n")
    assert lines(found) == [[2, 4]]
    assert len(found.chains[0].between) == (between[:1].isupper())
    assert found.chains[0].saved == 1
    assert not found.apart


@pytest.mark.parametrize("between", ["ENV A=1", "ARG A", "USER x", "WORKDIR /x", "COPY x y", "ADD x y", "VOLUME /x",
                                     'SHELL ["sh", "-c"]', "ONBUILD RUN x"])  # fmt: skip
def test_what_a_run_may_see_keeps_them_apart(between: str) -> None:
    found = chains(f"FROM a\nRUN b\n{between}\nRUN c\n")
    assert lines(found) == []
    [apart] = found.apart
    assert apart.line == 4
    assert apart.reason == f"{between.partition(' ')[0]} on line 3 stands between it and the RUN before"


@pytest.mark.parametrize(
    ("first", "second", "joined"),
    [
        ("--mount=type=cache,target=/a b", "--mount=target=/a,type=cache c", True),
        ("--mount=type=cache,target=/a b", "--mount=type=cache,target=/b c", False),
        ("--mount=type=cache,target=/a b", "c", False),
        ("b", "--mount=type=cache,target=/a c", False),
        ("--mount=type=secret,id=a b", "--mount=type=secret,id=a c", True),
        ("--mount=type=bind,target=/a b", "--mount=type=bind,target=/a c", True),
        ("--mount=type=bind,target=/a,rw b", "--mount=type=bind,target=/a,rw c", False),
        ("--mount=type=bind,target=/a,readonly=$X b", "--mount=type=bind,target=/a,readonly=$X c", False),
        ("--mount=type=tmpfs,target=/a b", "--mount=type=tmpfs,target=/a c", False),
        ("--network=none b", "--network=none c", True),
        ("--network=none b", "c", False),
        ("--network=default b", "c", True),
        ("--security=insecure b", "c", False),
        ('["/bin/sh", "-c", "b"]', "c", True),
        ("b", '["/bin/sh", "-c", "c"]', True),
        ("b", '["/bin/sh", "-c", "c << 1"]', False),
        ("b", '["c"]', False),
        ("b", '["/bin/bash", "-c", "c"]', False),
        ("b", "<<E\nc\nE", False),
        ("b", "cat <<E\nc\nE", False),
    ],
)
def test_two_runs(first: str, second: str, joined: bool) -> None:
    found = chains(f"FROM a\nRUN {first}\nRUN {second}\n")
    assert bool(found.chains) == joined
    assert bool(found.apart) != joined


def test_the_shell_in_effect() -> None:
    text = 'FROM a\nSHELL ["/bin/bash", "-c"]\nRUN [[ a ]]\nRUN b\n'
    assert lines(chains(text)) == [[3, 4]]
    assert lines(chains(text.replace("bash", "sh"))) == []
    for words in ('"powershell"', '"/bin/bash", "-lc"', '"/bin/zsh", "-c"'):
        assert lines(chains(f"FROM a\nSHELL [{words}]\nRUN b\nRUN c\n")) == []
    assert chains("FROM a\nRUN b; c\nRUN d\n", shell=("sh", "-ec")).chains[0].joined.glue == ";"
    assert chains("FROM a\nRUN b; c\nRUN d\n").chains[0].joined.glue == "&&"


def test_the_shell_of_the_stage_below() -> None:
    text = 'FROM a AS base\nSHELL ["/bin/bash", "-c"]\nFROM base\nRUN [[ a ]]\nRUN b\n'
    assert lines(chains(text)) == [[4, 5]]
    assert lines(chains(text.replace("FROM base", "FROM other"))) == []
    assert lines(chains(text.replace("FROM base", "FROM ${X}ase"))) == []  # which shell it is, nobody knows


def test_bash_env_is_read_by_each_bash() -> None:
    text = 'FROM a\nSHELL ["/bin/bash", "-c"]\nENV BASH_ENV=/x\nRUN b\nRUN c\n'
    assert lines(chains(text)) == []
    assert lines(chains(text.replace("BASH_ENV", "OTHER"))) == [[4, 5]]
    assert lines(chains(text.replace("bash", "sh"))) == [[4, 5]]


def test_windows() -> None:
    assert lines(chains("FROM mcr.microsoft.com/windows/nanoserver\nRUN a\nRUN b\n")) == []
    assert lines(chains("FROM --platform=windows/amd64 x AS y\nFROM y\nRUN a\nRUN b\n")) == []


def test_known_variables() -> None:
    text = 'FROM a\nSHELL ["/bin/bash", "-c"]\n{}RUN set -u; echo $A\nRUN b\n'
    assert lines(chains(text.format(""))) == []
    assert lines(chains(text.format("ENV A=1\n"))) == [[4, 5]]
    assert lines(chains(text.format("ARG A=1\n"))) == [[4, 5]]
    assert lines(chains(text.format("ARG A\n"))) == []


def test_a_body_that_stays_alone_parts_the_others() -> None:
    found = chains("FROM a\nRUN b\nRUN c\nRUN d & wait\nRUN e\nRUN f\n")
    assert lines(found) == [[2, 3], [5, 6]]
    assert [apart.line for apart in found.apart] == [4, 5]


def test_a_body_that_nothing_may_follow() -> None:
    found = chains("FROM a\nWORKDIR /x/y\nRUN b\nRUN rm -rf /x\nRUN d\nRUN e\n")
    assert lines(found) == [[3, 4], [5, 6]]
    assert "working directory /x/y" in found.apart[0].reason


@pytest.mark.parametrize(
    ("workdirs", "removed", "ends"),
    [
        (("/x",), "/x", True),
        (("/x/",), "/x/y", False),
        (("/x", "y"), "/x/y/.", True),
        (("$X",), "/x", False),
        (("x",), "/x", False),
        (("/x", "$Y"), "/x", False),
        (("/",), "/x", False),
    ],
)
def test_working_directory(workdirs: tuple[str, ...], removed: str, ends: bool) -> None:
    text = "FROM a\n" + "".join(f"WORKDIR {path}\n" for path in workdirs) + f"RUN rm -r {removed}\nRUN b\n"
    assert bool(chains(text).chains) != ends


STAGES = """\
ARG KIND=b
FROM x AS base
RUN 1
RUN 2
FROM base AS a
RUN 3
RUN 4
FROM base AS b
RUN 5
RUN 6
FROM {last}
RUN 7
RUN 8
"""


@pytest.mark.parametrize(
    ("last", "target", "found"),
    [
        ("scratch", None, [[12, 13]]),
        ("b", None, [[3, 4], [9, 10], [12, 13]]),
        ("B", None, [[3, 4], [9, 10], [12, 13]]),
        ("${KIND}", None, [[3, 4], [6, 7], [9, 10], [12, 13]]),
        ("bas$KIND", None, [[3, 4], [12, 13]]),
        ("x", "a", [[3, 4], [6, 7]]),
        ("x", "0", [[3, 4]]),
        ("x", "B", [[3, 4], [9, 10]]),
    ],
)
def test_only_stages_of_the_result(last: str, target: str | None, found: list[list[int]]) -> None:
    result = chains(STAGES.format(last=last), target=target)
    assert lines(result) == found
    others = [apart for apart in result.apart if "not part of the result" in apart.reason]
    assert len(others) == 4 - len(found)


def test_a_name_used_twice_is_the_later_one() -> None:
    document = parse("FROM x AS a\nFROM y AS a\nFROM a\n")
    stages = read_stages(document, type_document(document), None)
    assert [stage.in_result for stage in stages] == [False, True, True]


def test_wrong_input() -> None:
    with pytest.raises(InputError, match="no stage 'z'"):
        chains("FROM x\n", target="z")
    with pytest.raises(DockerfileError, match="no FROM"):
        chains("ARG X\n")


@pytest.mark.parametrize(
    ("comments", "pragma"),
    [
        ("# lamella: layer", Pragma(layer=True)),
        ("#lamella:layer", Pragma(layer=True)),
        ("# Lamella: ignore=a,b\n# why", Pragma(ignore=frozenset({"a", "b"}))),
        ("# lamella: ignore=a\n# lamella: ignore=b layer", Pragma(True, frozenset({"a", "b"}))),
        ("# lamella: ignore", Pragma()),
        ("# lamella ignore=a", Pragma()),
        ("# lamella: layer\n", Pragma()),
        ("# other: layer", Pragma()),
    ],
)
def test_pragma(comments: str, pragma: Pragma) -> None:
    document = parse(f"FROM x\n{comments}\nRUN y\n")
    assert read_pragma(document, document.instructions[-1]) == pragma


def test_pragmas_in_a_chain() -> None:
    assert lines(chains("FROM x\nRUN 1\n# lamella: layer\nRUN 2\nRUN 3\n")) == [[4, 5]]
    assert lines(chains("FROM x\nRUN 1\n# lamella: ignore=consecutive-runs\nRUN 2\nRUN 3\nRUN 4\n")) == [[5, 6]]
    assert lines(chains("FROM x\nRUN 1\n# lamella: ignore=join-runs\nRUN 2\n")) == []
    assert lines(chains("FROM x\nRUN 1\n# lamella: ignore=all\nRUN 2\n")) == []
    assert lines(chains("FROM x\nRUN 1\n# lamella: ignore=other\nRUN 2\n")) == [[2, 4]]


def test_many_lines_are_not_listed() -> None:
    [chain] = chains("FROM a\n" + "RUN true\n" * 9).chains
    assert chain.where == "lines 2 to 10"
    [chain] = chains("FROM a\n" + "RUN true\n" * 3).chains
    assert chain.where == "lines 2, 3 and 4"
