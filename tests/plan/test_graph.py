"""Stages, what they stand on and read, and which of them are built."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamella.errors import DockerfileError
from lamella.oci.platform import Platform
from lamella.plan.graph import plan_document
from lamella.plan.references import close_stage
from lamella.plan.stage import BaseImage, BaseScratch, BaseStage, Plan, PlanOptions
from lamella.syntax.parser import parse

Planner = Callable[..., Plan]

MULTI = """\
ARG BASE=alpine
ARG TAG
FROM $BASE:${TAG:-3.20} AS Build
RUN make
FROM build AS test
RUN make test
FROM scratch AS assets
COPY --from=build /assets /
FROM scratch
COPY --from=BUILD /app /
COPY --from=2 /x /x
COPY --from=nginx:1.27 /etc /etc
RUN --mount=from=test,target=/t --mount=type=cache,target=/c --mount=type=tmpfs,target=/m true
"""


def test_stages_and_what_they_need(plan: Planner) -> None:
    made = plan(MULTI)
    assert [stage.name for stage in made.stages] == ["build", "test", "assets", None]
    assert [stage.base for stage in made.stages] == [
        BaseImage("alpine:3.20"),
        BaseStage(0),
        BaseScratch(),
        BaseScratch(),
    ]
    assert [stage.needs for stage in made.stages] == [(), (0,), (0,), (0, 1, 2)]
    assert made.order == (0, 1, 2, 3)
    assert made.global_args == (("BASE", "alpine"), ("TAG", None))


@pytest.mark.parametrize(
    ("target", "order"), [("test", (0, 1)), ("TEST", (0, 1)), ("2", (0, 2)), ("build", (0,)), ("3", (0, 1, 2, 3))]
)
def test_only_what_the_target_needs_is_built(plan: Planner, target: str, order: tuple[int, ...]) -> None:
    made = plan(MULTI, target=target)
    assert made.order == order
    assert made.target == order[-1]


def test_an_unknown_target_names_the_stages(plan: Planner) -> None:
    with pytest.raises(DockerfileError) as caught:
        plan(MULTI, target="tset")
    assert caught.value.code == "unknown-stage"
    assert caught.value.hint is not None
    assert "did you mean 'test'" in caught.value.hint
    assert "build, test, assets, 3" in caught.value.hint
    with pytest.raises(DockerfileError):
        plan(MULTI, target="4")


def test_build_args_reach_from(plan: Planner) -> None:
    made = plan(MULTI, build_args=(("BASE", "debian"), ("TAG", "12")))
    assert made.stages[0].base == BaseImage("debian:12")


def test_global_args_see_those_before_them(plan: Planner) -> None:
    made = plan("ARG A=1 B=$A-2\nARG A=${A}3\nFROM x:$B-$A\n")
    assert made.stages[0].base == BaseImage("x:1-2-13")


def test_a_stage_is_no_base_of_itself_or_of_those_above(plan: Planner) -> None:
    made = plan("FROM alpine AS alpine\nFROM later AS b\nFROM alpine AS later\n")
    assert [stage.base for stage in made.stages] == [BaseImage("alpine"), BaseImage("later"), BaseStage(0)]


def test_a_name_used_twice_counts_from_where_it_stands(plan: Planner) -> None:
    made = plan("FROM x AS a\nFROM a AS a\nFROM a\nCOPY --from=a f f\n")
    assert made.stages[1].base == BaseStage(0)
    assert made.stages[2].base == BaseStage(1)
    assert made.stages[2].needs == (1,)
    assert [warning.where for warning in made.warnings] == ["Dockerfile:2"]


def test_platforms(plan: Planner) -> None:
    made = plan(
        "FROM --platform=$BUILDPLATFORM a\nFROM --platform=$TARGETPLATFORM b\nFROM --platform=linux/arm64/v8 c\n"
        "FROM --platform=${TARGETOS}/s390x d\nFROM e-$TARGETARCH$TARGETVARIANT\n",
        build_platform=Platform("linux", "amd64"),
        target_platform=Platform("linux", "arm", "v7"),
    )
    assert [stage.platform for stage in made.stages] == [
        Platform("linux", "amd64"),
        Platform("linux", "arm", "v7"),
        Platform("linux", "arm64"),
        Platform("linux", "s390x"),
        None,
    ]
    assert made.stages[4].base == BaseImage("e-armv7")


def test_a_named_context_takes_the_place_of_a_stage(plan: Planner) -> None:
    made = plan("FROM x AS lib\nRUN build\nFROM scratch\nCOPY --from=lib f f\n", named_contexts=("lib",))
    assert made.stages[0].base == BaseImage("lib")
    assert made.stages[0].instructions == ()


def test_triggers_of_the_stage_below_are_needs(plan: Planner) -> None:
    made = plan("FROM scratch AS tools\nFROM scratch AS base\nONBUILD COPY --from=tools a a\nFROM base\nRUN true\n")
    assert made.stages[1].needs == ()
    assert made.stages[2].needs == (0, 1)


def test_unused_build_args_are_warned_of(plan: Planner) -> None:
    text = "ARG GLOBAL\nFROM x AS a\nARG INSIDE\nFROM y AS b\nARG OTHER\n"
    given = tuple((name, "1") for name in ("GLOBAL", "INSIDE", "OTHER", "NOWHERE", "HTTP_PROXY", "no_proxy"))
    given += (("TARGETARCH", "x"), ("BUILDKIT_INLINE_CACHE", "1"), ("SOURCE_DATE_EPOCH", "0"))
    messages = [warning.message for warning in plan(text, build_args=given, target="a").warnings]
    assert [message.split()[3] for message in messages] == ["OTHER", "NOWHERE"]


@pytest.mark.parametrize(
    ("text", "line", "code", "message"),
    [
        ("ARG A\n", 1, "dockerfile", "there is no FROM"),
        ("RUN x\nFROM a\n", 1, "dockerfile", "before the first FROM"),
        ("FROM $NO\n", 1, "dockerfile", "blank"),
        ("FROM ${NO:?which}\n", 1, "dockerfile", "NO: which"),
        ("ARG A=${\nFROM a\n", 1, "dockerfile", "cannot expand"),
        ("FROM --platform=$NO a\n", 1, "dockerfile", "platform of FROM is blank"),
        ("FROM --platform=a/b/c/d a\n", 1, "dockerfile", "not a platform"),
        ("FROM a AS a\nRUN x\nCOPY --from=a f f\n", 3, "stage-cycle", "a needs a"),
        ("FROM a AS a\nCOPY --from=b f f\nFROM a AS b\n", 2, "stage-cycle", "a needs b needs a"),
        ("FROM x AS a\nRUN --mount=from=b,target=/b x\nFROM x AS b\nCOPY --from=a f f\n", 2, "stage-cycle", "b"),
        ("FROM x AS a\nCOPY --from=b f f\nFROM x AS b\nFROM a\n", 2, "stage-order", "defined further down"),
        ("FROM x\nCOPY --from=3 f f\n", 2, "unknown-stage", "no stage number 3"),
        ("FROM x\nCOPY --from=-1 f f\n", 2, "unknown-stage", "no stage number -1"),
        ("FROM x\nCOPY --from=$STAGE f f\n", 2, "dockerfile", "not expanded in --from"),
        ("FROM x AS a\nONBUILD COPY --from=9 f f\nFROM a\n", 3, "unknown-stage", "no stage number 9"),
    ],
)
def test_errors(plan: Planner, text: str, line: int, code: str, message: str) -> None:
    with pytest.raises(DockerfileError) as caught:
        plan(text)
    assert caught.value.where == f"Dockerfile:{line}"
    assert caught.value.code == code
    assert message in caught.value.message
    assert caught.value.hint


def test_a_forward_reference_in_a_stage_nobody_needs_is_no_error(plan: Planner) -> None:
    assert plan("FROM x AS a\nCOPY --from=b f f\nFROM x AS b\n").order == (1,)


def test_five_thousand_stages_in_a_row() -> None:
    text = "FROM scratch AS s0\n" + "".join(f"FROM s{number - 1} AS s{number}\n" for number in range(1, 5000))
    made = plan_document(parse(text), PlanOptions())
    assert len(made.order) == 5000


@given(st.lists(st.lists(st.integers(0, 7), max_size=3), min_size=1, max_size=8))
def test_order_is_closed_and_each_stage_comes_after_what_it_needs(reads: list[list[int]]) -> None:
    """Stages that only read stages above them always give a plan."""
    text = ""
    for number, needed in enumerate(reads):
        text += f"FROM scratch AS s{number}\n"
        text += "".join(f"COPY --from=s{one} f f\n" for one in needed if one < number)
    made = plan_document(parse(text), PlanOptions())
    for number in made.order:
        assert all(needed in made.order[: made.order.index(number)] for needed in made.stages[number].needs)
    assert made.order[-1] == made.target == len(reads) - 1


def test_a_global_arg_without_a_value_is_odd_only_where_no_name_comes_of_it() -> None:
    def rules(text: str) -> list[str]:
        return [warning.rule for warning in plan_document(parse(text, "Dockerfile"), PlanOptions()).warnings]

    assert rules("ARG VARIANT\nFROM alpine:3.20${VARIANT}\n") == []
    assert rules("ARG REG\nFROM ${REG:+$REG/}alpine\n") == []
    assert rules("ARG TAG\nFROM alpine:${TAG}\n") == ["InvalidDefaultArgInFrom"]
    assert rules("FROM alpine${TAG}\n") == ["UndefinedArgInFrom"]


def test_a_slip_in_a_comment_for_us_is_told() -> None:
    text = (
        "FROM scratch\n# lamella: layr\nCOPY a /\n# lamella: layer\n# lamella: ignore=x\n# Lamella: it is our builder\n"
    )
    plan = plan_document(parse(text, "Dockerfile"), PlanOptions())
    assert [(warning.where, "layr" in warning.message) for warning in plan.warnings] == [("Dockerfile:2", True)]


def test_a_stage_whose_name_was_mistyped_is_found() -> None:
    plan = plan_document(parse("FROM a AS build\nFROM b AS test\nFROM scratch\n", "Dockerfile"), PlanOptions())
    assert [close_stage(plan, name) for name in ("biuld", "Built", "alpine")] == ["build", "build", None]
