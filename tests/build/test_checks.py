"""``# check=``: warnings that have a rule's name can be skipped, and made errors before anything is built."""

from __future__ import annotations

from typing import Any

import pytest

from lamella.errors import AnswerNo, LamellaError
from lamella.events import Note, StepStarted
from lamella.oci.platform import Platform

Builder = Any
ODD = """\
ARG tag
ARG base=scratch
FROM $base$missing AS one
COPY $nothing* /a/
FROM scratch AS one
COPY file /x$other
COPY --from=0 /a/file /y
"""
RULES = ["UndefinedArgInFrom", "DuplicateStageName", "UndefinedVar", "UndefinedVar"]


def rules(builder: Builder) -> list[str]:
    """The names behind the warnings that were said."""
    notes = [event.message for event in builder.events if isinstance(event, Note) and event.level == "warning"]
    return [text.rpartition("(")[2].rstrip(")") for text in notes if "match" not in text]


@pytest.fixture
def files(builder: Builder) -> Builder:
    builder.file("file")
    return builder


def test_warnings_carry_the_names_of_their_rules(files: Builder) -> None:
    files.build(ODD)
    assert sorted(rules(files)) == sorted(RULES)


@pytest.mark.parametrize(
    ("directive", "left"),
    [
        ("skip=all", []),
        ("skip=UndefinedVar", ["DuplicateStageName", "UndefinedArgInFrom"]),
        (" skip = undefinedvar , DuplicateStageName ; error=false", ["UndefinedArgInFrom"]),
        ("skip=UndefinedVar,DuplicateStageName,UndefinedArgInFrom;error=true", []),
        ("experimental=all", sorted(RULES)),
        ("", sorted(RULES)),
    ],
)
def test_skipped(files: Builder, directive: str, left: list[str]) -> None:
    files.build(f"# check={directive}\n{ODD}" if directive else ODD)
    assert sorted(rules(files)) == left
    files.build(ODD, build_args=(("BUILDKIT_DOCKERFILE_CHECK", directive),))
    assert sorted(rules(files)) == left


def test_the_build_argument_wins(files: Builder) -> None:
    files.build(f"# check=skip=all;error=true\n{ODD}", build_args=(("BUILDKIT_DOCKERFILE_CHECK", "error=0"),))
    assert sorted(rules(files)) == sorted(RULES)


def test_errors_name_every_warning_and_nothing_is_built(files: Builder) -> None:
    with pytest.raises(AnswerNo) as caught:
        files.build(f"# check=error=true\n{ODD}", tags=("x",))
    error = caught.value
    assert (error.exit_code, error.code, error.where) == (1, "checks", "Dockerfile:4")
    lines = str(error.detail).splitlines()
    assert [line.partition(": ")[0] for line in lines] == [f"Dockerfile:{line}" for line in (4, 5, 6, 7)]
    assert not [event for event in files.events if isinstance(event, StepStarted)]
    assert files.store.images.list() == []


def test_an_undeclared_build_argument_is_no_error(files: Builder) -> None:
    result = files.build("# check=error=true\nFROM scratch\nCOPY file /\n", build_args=(("unknown", "1"),))
    assert len(result.warnings) == 1
    assert "unknown" in result.warnings[0].message


def test_the_platform_of_a_base(files: Builder) -> None:
    files.build("FROM scratch\nCOPY file /\n", tags=("base",), platform=Platform("linux", "s390x"))
    files.build("# check=skip=InvalidBaseImagePlatform\nFROM base\nCOPY --from=base file /copied\n")
    assert rules(files) == []
    with pytest.raises(AnswerNo) as caught:
        files.build("# check=error=true\nFROM base\n")
    assert "InvalidBaseImagePlatform" in caught.value.message


@pytest.mark.parametrize(
    ("directive", "says"),
    [("foo", "'foo' is no option"), ("error=maybe", "neither true nor false"), ("warn=all", "no option 'warn'")],
)
def test_wrong_words(files: Builder, directive: str, says: str) -> None:
    with pytest.raises(LamellaError) as caught:
        files.build(f"# syntax=docker/dockerfile:1\n# check={directive}\nFROM scratch\n")
    assert (caught.value.where, caught.value.exit_code) == ("Dockerfile:2", 2)
    assert says in caught.value.message
    with pytest.raises(LamellaError) as caught:
        files.build("FROM scratch\n", build_args=(("BUILDKIT_DOCKERFILE_CHECK", directive),))
    assert says in caught.value.message
