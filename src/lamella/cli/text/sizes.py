"""The sizes after a build, for people."""

from __future__ import annotations

from lamella.build.request import BuildResult
from lamella.cli.text.columns import WIDTH, align, shorten, shorten_path
from lamella.cli.text.counts import count
from lamella.cli.text.docker import human_size
from lamella.cli.view.sizes import BuildSizes, StageSizes
from lamella.insight.growth import LayerGrowth

_HEADING = ("ADDED", "OVERWRITTEN", "DELETED LATER", "TIME")
_NOTHING = "·"
_PATH = 48  # columns of a file's path


def sizes_lines(sizes: BuildSizes, result: BuildResult) -> list[str]:
    """A line for each step, the stages in the order they were built; then the image and its largest files."""
    rows: list[tuple[str, ...]] = [_HEADING]
    texts = ["STEP"]
    for stage in sizes.stages:
        if len(sizes.stages) > 1:
            rows.append(("",) * len(_HEADING))
            texts.append(f"stage {stage.name}" + ("" if stage.target else ", not in the image") + ":")
        for cells, text in _stage_rows(stage, result):
            rows.append(cells)
            texts.append(text)
    left = align(rows, right=range(len(_HEADING)))
    indent = max(map(len, left)) + 2
    lines = [
        f"{cells:<{indent}}{shorten(text, WIDTH - indent)}".rstrip() for cells, text in zip(left, texts, strict=True)
    ]
    return [*lines, "", *_image_lines(sizes, result)]


def _stage_rows(stage: StageSizes, result: BuildResult) -> list[tuple[tuple[str, ...], str]]:
    rows = []
    if stage.base_layers:
        rows.append(((*_numbers(stage.base_growth), _NOTHING), f"FROM {stage.base}"))
    for position, growth in stage.steps:
        step = result.steps[position]
        time = "cached" if step.cached else f"{step.seconds:.1f}s"
        rows.append(((*_numbers(growth), time), step.text))
    return rows


def _numbers(growth: LayerGrowth | None) -> tuple[str, ...]:
    """A zero that means nothing happened is a dot; that a layer is empty is said."""
    if growth is None:
        return "no layer", _NOTHING, _NOTHING
    added, *rest = growth
    return (human_size(added), *(human_size(number) if number else _NOTHING for number in rest))


def _image_lines(sizes: BuildSizes, result: BuildResult) -> list[str]:
    total = sizes.base_layers + sizes.added_layers
    how = "all cached" if all(step.cached for step in result.steps) else f"built in {result.seconds:.1f}s"
    lines = [
        f"image: {human_size(sizes.compressed)} compressed, {human_size(sizes.unpacked)} unpacked; "
        f"base {sizes.base_layers} + added {sizes.added_layers} = {count(total, 'layer')}; {how}"
    ]
    if sizes.largest:
        lines.append("largest files:")
        cells = [[human_size(file.bytes), shorten_path(file.path, _PATH)] for file in sizes.largest]
        left = align(cells, right=[0])
        indent = max(map(len, left)) + 4
        for line, file in zip(left, sizes.largest, strict=True):
            text = "the base" if file.step is None else f"line {_line(result, file.step)}"
            lines.append(f"  {line:<{indent - 2}}{shorten(text, WIDTH - indent)}".rstrip())
    return lines


def _line(result: BuildResult, position: int) -> str:
    step = result.steps[position]
    return f"{step.where.rpartition(':')[2]}: {step.text}"
