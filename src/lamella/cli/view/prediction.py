"""A Dockerfile's layer stack before it is built: predicted, and measured as far as the build cache reaches."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from lamella.build.preview import Preview, StagePreview, preview
from lamella.build.request import BuildRequest
from lamella.filetree.entry import DIRECTORY
from lamella.insight.stack import Base, Row, Stack
from lamella.plan.predict import PredictedStep, Prediction, predict
from lamella.plan.stage import BaseStage, Plan

if TYPE_CHECKING:
    from lamella.cli.session import Session
    from lamella.store.store import Store

#: builders that make the same layers as this one, so that what was measured here holds for them
_SAME_LAYERS = ("buildkit", "classic", "kaniko")


def predict_stack(request: BuildRequest, dialect: str, session: Session) -> Stack:
    """Tells the warnings of the plan on stderr. Raises DockerfileError; a base that is not there is no error."""
    store = session.store()
    known = preview(request, store)
    numbers = _stack_of_stages(known.plan)
    lowest = known.stages[numbers[0]]
    prediction = predict(
        known.plan,
        {number: stage.lowered for number, stage in known.stages.items()},
        dialect=dialect,
        base_layers=len(lowest.base_layers) if lowest.base_known or lowest.base_image is not None else None,
        directory_exists=lambda path: _directory_exists(lowest, path),
    )
    _warn(known, prediction, session)
    measured = dialect in _SAME_LAYERS
    return Stack(
        prediction.target,
        dialect,
        _base(known.plan, numbers[0], lowest, prediction, store),
        tuple(_rows(prediction, known if measured else None)),
        prediction.added,
        notes=tuple(_notes(known.plan, numbers)),
        title=_title(request, known.plan),
    )


def _stack_of_stages(plan: Plan) -> list[int]:
    """The target and the stages that it stands on, lowest first."""
    numbers = [plan.target]
    while isinstance(base := plan.stages[numbers[0]].base, BaseStage):
        numbers.insert(0, base.number)
    return numbers


def _directory_exists(lowest: StagePreview, path: str) -> bool | None:
    if not lowest.base_known:
        return None
    entry = lowest.base_tree().get(path.strip("/"))
    return entry is not None and entry.kind == DIRECTORY


def _base(plan: Plan, number: int, lowest: StagePreview, prediction: Prediction, store: Store) -> Base:
    line = plan.stages[number].from_.node.line
    if not lowest.base_known:
        layers = len(lowest.base_layers) if lowest.base_image is not None else None
        return Base(prediction.base, layers, None, line=line)
    for layer in lowest.base_layers:
        store.layers.ensure_toc(layer)
    size = sum(store.layers.uncompressed_size(layer.diff_id) for layer in lowest.base_layers)
    return Base(prediction.base, len(lowest.base_layers), size, line=line)


def _rows(prediction: Prediction, known: Preview | None) -> list[Row]:
    rows: list[Row] = []
    number = prediction.base_layers
    for step in prediction.steps:
        size = known.stages[step.stage].sizes.get(step.position) if known is not None else None
        rows.append(_row(step, size, number))
        if step.layer and number is not None:
            number += 1
    return rows


def _row(step: PredictedStep, size: int | None, number: int | None) -> Row:
    if not step.layer:
        return Row(step.line, step.instruction, step.text, False, step.reason, 0)
    return Row(step.line, step.instruction, step.text, True, step.reason, size, size is not None, number)


def _notes(plan: Plan, numbers: list[int]) -> list[str]:
    beside = [plan.stages[number] for number in plan.order if number not in numbers]
    if not beside:
        return []
    names = ", ".join(stage.name or str(stage.number) for stage in beside)
    which = (
        f"stage {names} is built too, and leaves" if len(beside) == 1 else f"stages {names} are built too, and leave"
    )
    return [f"{which} no layer in the image"]


def _title(request: BuildRequest, plan: Plan) -> str:
    name = os.path.basename(request.name) if request.name != "-" else "standard input"
    target = plan.stages[plan.target]
    if len(plan.stages) == 1:
        return name
    return f"{name}, stage {target.name or target.number}"


def _warn(known: Preview, prediction: Prediction, session: Session) -> None:
    lowered = [warning for stage in known.stages.values() for warning in stage.lowered.warnings]
    for warning in dict.fromkeys((*known.plan.warnings, *lowered, *prediction.warnings)):
        session.note(f"warning: {warning.where}: {warning.message}")
