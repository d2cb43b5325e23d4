"""Lowering against what a real Docker made of the same Dockerfiles (``record_goldens.py`` stands beside), or, where the
language is newer than that Docker, against what was written by hand after the reference."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from lamella.oci.config import RunConfig
from lamella.oci.platform import Platform
from lamella.plan.graph import plan_document
from lamella.plan.lower import lower_stage
from lamella.plan.stage import BaseImage, BaseStage, LoweredStage, PlanOptions, StageState
from lamella.plan.step import ConfigStep, RunStep
from lamella.syntax.parser import parse

FOLDER = Path(__file__).parent.parent / "data" / "plan"
CASES = sorted(path.name for path in FOLDER.iterdir() if path.is_dir())
LINUX = Platform("linux", "amd64")


def lower_target(text: str, case: dict[str, Any]) -> list[LoweredStage]:
    """The target and the stages below it, lowest first. The base busybox has an empty config."""
    options = PlanOptions(build_args=tuple(case.get("build_args", {}).items()), target=case.get("target"))
    plan = plan_document(parse(text), options)
    chain = [plan.target]
    while isinstance(base := plan.stages[chain[-1]].base, BaseStage):
        chain.append(base.number)
    state: StageState | None = None
    if isinstance(base, BaseImage):
        state = StageState(RunConfig(), LINUX)
        if base.reference in case.get("bases", {}):
            state = lower_target(case["bases"][base.reference], {})[-1].state._replace(args=())
    stages = []
    for number in reversed(chain):
        stages.append(lower_stage(plan, plan.stages[number], state))
        state = stages[-1].state
    return stages


def without_nothing(data: dict[str, Any]) -> dict[str, Any]:
    """Docker writes some fields as null; empty lists of words are the same to it as none."""
    return {key: value for key, value in data.items() if value not in (None, [], "", False)}


def newer_text(text: str) -> str:
    """Docker 20.10 knows no start interval: its HEALTHCHECK shows three times, later ones four. Other differences
    stand in the case's ``newer_history``, by position."""
    return re.sub(r'^(HEALTHCHECK &\{\[.*\] (?:"\S+" ){3})', r'\1"0s" ', text)


@pytest.mark.parametrize("name", CASES)
def test_case(name: str) -> None:
    options_file = FOLDER / name / "case.json"
    case = json.loads(options_file.read_text("utf-8")) if options_file.exists() else {}
    expected = json.loads((FOLDER / name / "expected.json").read_text("utf-8"))
    text = (FOLDER / name / "Dockerfile").read_bytes().decode()
    stages = lower_target(text, case)
    steps = [step for stage in stages for step in stage.steps]
    history = [[step.info.created_by, isinstance(step, ConfigStep)] for step in steps if step.info.history]
    by_docker = expected["judge"].startswith("docker")
    recorded = [[newer_text(text) if by_docker else text, empty] for text, empty in expected["history"]]
    for position, text in case.get("newer_history", {}).items():
        recorded[int(position)][0] = text
    assert history == recorded
    assert without_nothing(stages[-1].state.config.to_json()) == without_nothing(expected["config"])
    assert stages[-1].author == expected["author"]
    environments = [sorted(step.env + step.proxy_env) for step in steps if is_env(step)]
    assert environments == [sorted(lines) for lines in expected["environments"]]  # the shell has an order of its own
    if "argv" in expected:
        assert [list(step.argv) for step in steps if isinstance(step, RunStep)] == expected["argv"]


def is_env(step: object) -> bool:
    return isinstance(step, RunStep) and step.argv[-1] == "env"


def test_there_are_cases_of_both_kinds() -> None:
    judges = [json.loads((FOLDER / name / "expected.json").read_text("utf-8"))["judge"] for name in CASES]
    assert sum(judge.startswith("docker") for judge in judges) >= 20
