"""The predicted layer stack, by builder."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from lamella.errors import UsageError
from lamella.oci.config import RunConfig
from lamella.oci.platform import Platform
from lamella.plan.dialects import DIALECTS
from lamella.plan.lower import lower_stage
from lamella.plan.predict import Prediction, predict
from lamella.plan.stage import Plan, StageState

Planner = Callable[..., Plan]

SEED = """\
FROM node:14
WORKDIR /app
COPY package*.json ./
RUN npm ci
COPY . .
CMD ["node", "server.js"]
"""


def layers(prediction: Prediction) -> list[bool]:
    return [step.layer for step in prediction.steps]


def test_the_sum_of_the_seed(plan: Planner) -> None:
    prediction = predict(plan(SEED), base_layers=14)
    assert (prediction.base, prediction.base_layers, prediction.added, prediction.total) == ("node:14", 14, 4, 18)
    assert layers(prediction) == [True, True, True, True, False]
    assert [(step.line, step.instruction) for step in prediction.steps] == [
        (2, "WORKDIR"),
        (3, "COPY"),
        (4, "RUN"),
        (5, "COPY"),
        (6, "CMD"),
    ]
    assert prediction.steps[1].text == "COPY package*.json ./"
    assert "writes no file" in prediction.steps[4].reason
    assert all(step.reason and not step.reason.endswith(".") for step in prediction.steps)


def test_a_base_that_is_not_known_has_no_total(plan: Planner) -> None:
    prediction = predict(plan(SEED))
    assert (prediction.base_layers, prediction.added, prediction.total) == (None, 4, None)


@pytest.mark.parametrize(
    ("dialect", "new", "exists", "added"),
    [
        ("buildkit", True, True, 5),
        ("classic", True, False, 4),
        ("kaniko", True, False, 4),
        ("buildah-layers", False, False, 3),
    ],
)
def test_folders_by_dialect(plan: Planner, dialect: str, new: bool, exists: bool, added: int) -> None:
    text = "FROM scratch\nWORKDIR /new/sub\nWORKDIR /new\nWORKDIR /\nCOPY a /c/\nADD b /d\nRUN x\nENV A=1\n"
    prediction = predict(plan(text), dialect=dialect)
    assert layers(prediction) == [new, exists, False, True, True, True, False]
    assert prediction.added == added


def test_buildah_makes_one_layer_a_stage(plan: Planner) -> None:
    text = "FROM x AS a\nRUN a\nCOPY a b\nFROM a\nRUN b\nENV A=1\n"
    prediction = predict(plan(text), dialect="buildah", base_layers=3)
    assert layers(prediction) == [False, True, False, True]
    assert prediction.total == 5


def test_stages_below_the_target_are_shown_and_others_are_not(plan: Planner) -> None:
    text = "FROM x AS a\nRUN a\nFROM y AS other\nRUN o\nFROM a AS c\nCOPY --from=other f f\nFROM c\nRUN d\n"
    prediction = predict(plan(text), base_layers=1)
    assert [(step.stage, step.position, step.text) for step in prediction.steps] == [
        (0, 0, "RUN a"),
        (2, 0, "COPY --from=other f f"),
        (3, 0, "RUN d"),
    ]
    assert (prediction.base, prediction.target, prediction.total) == ("x", "3", 4)


def test_scratch_has_no_layers_and_no_folders(plan: Planner) -> None:
    prediction = predict(plan("FROM scratch AS out\nWORKDIR /a\n"), base_layers=9, dialect="classic")
    assert (prediction.base, prediction.base_layers, prediction.target, prediction.total) == ("scratch", 0, "out", 1)
    assert "not known" not in prediction.steps[0].reason


@pytest.mark.parametrize(
    ("known", "run_before", "layer", "unsure"),
    [
        (True, False, False, False),
        (False, False, True, False),
        (None, False, True, True),
        (False, True, True, True),
        (True, True, False, False),
    ],
)
def test_what_is_known_of_the_base(
    plan: Planner, known: bool | None, run_before: bool, layer: bool, unsure: bool
) -> None:
    text = f"FROM x\n{'RUN mkdir /w' if run_before else 'ENV A=1'}\nWORKDIR /w\n"
    prediction = predict(plan(text), dialect="classic", directory_exists=lambda path: known if path == "/w" else None)
    step = prediction.steps[1]
    assert step.layer is layer
    assert ("not known" in step.reason) is unsure


@pytest.mark.parametrize(
    ("copy", "there"),
    [
        ("COPY a /x/y/", True),
        ("COPY a /x/y", False),
        ("COPY a /x/y/z", True),
        ("COPY a b /x/y/", True),
        ("ADD <<E /x/y/f\nE", True),
    ],
)
def test_copying_makes_folders(plan: Planner, copy: str, there: bool) -> None:
    prediction = predict(plan(f"FROM scratch\n{copy}\nWORKDIR /x/y\n"), dialect="kaniko")
    assert prediction.steps[1].layer is not there


def test_stages_that_were_lowered_on_a_known_base(plan: Planner) -> None:
    made = plan("FROM x\nWORKDIR sub\nRUN a\n")
    state = StageState(RunConfig(working_dir="/home", on_build=("COPY a b",)), Platform("linux", "amd64"))
    lowered = {0: lower_stage(made, made.stages[0], state)}
    asked: list[str] = []

    def exists(path: str) -> bool | None:
        asked.append(path)
        return True

    prediction = predict(made, lowered, dialect="classic", directory_exists=exists)
    assert asked == ["/home/sub"]
    assert [(step.line, step.text, step.layer) for step in prediction.steps] == [
        (1, "ONBUILD COPY a b", True),
        (2, "WORKDIR sub", False),
        (3, "RUN a", True),
    ]


def test_onbuild_and_more_config(plan: Planner) -> None:
    text = "FROM x\nONBUILD RUN y\nARG A\nLABEL a=b\nENTRYPOINT z\nWORKDIR /\n"
    prediction = predict(plan(text), base_layers=1)
    assert prediction.total == 1
    assert len({step.reason for step in prediction.steps}) == 5


def test_more_layers_than_overlay_can_hold(plan: Planner) -> None:
    text = "FROM x\n" + "RUN a\n" * 120
    assert predict(plan(text), base_layers=7).warnings == ()
    (warning,) = predict(plan(text), base_layers=8).warnings
    assert "128 layers" in warning.message
    assert predict(plan(text), base_layers=8, dialect="buildah").warnings == ()


def test_an_unknown_dialect_is_refused(plan: Planner) -> None:
    with pytest.raises(UsageError, match="no dialect 'docker'"):
        predict(plan(SEED), dialect="docker")
    assert all(predict(plan(SEED), dialect=dialect, base_layers=0).total is not None for dialect in DIALECTS)
