"""From a document to its plan: stages, what each stands on and reads, which of them the target needs.

Source: the Dockerfile reference, "FROM", "COPY --from", and BuildKit's behaviour.
"""

from __future__ import annotations

from typing import NamedTuple

from lamella.errors import DockerfileError, InputError, ReferenceError_
from lamella.oci.platform import Platform, parse_platform
from lamella.oci.reference import parse_reference, short_name
from lamella.plan.arguments import GlobalArg, evaluate_global_args, global_values, needs_no_declaration
from lamella.plan.checks import parse_checks, wanted
from lamella.plan.pragma import unknown_words
from lamella.plan.references import StageNames, check_plain, from_words
from lamella.plan.stage import Base, BaseImage, BaseScratch, BaseStage, Plan, PlanOptions, Stage, Warning_
from lamella.plan.step import SourceStage
from lamella.shell.words import analyse
from lamella.syntax.instructions import Arg, From, Onbuild, TypedInstruction
from lamella.syntax.nodes import Document
from lamella.syntax.typed import parse_trigger, type_document

SCRATCH = "scratch"


class _Draft(NamedTuple):
    """A stage before its needs are known."""

    from_: From
    base: Base
    platform: Platform | None
    instructions: tuple[TypedInstruction, ...]


class _Edge(NamedTuple):
    """``stage`` reads ``needs``, for the instruction at ``where`` which says ``text``."""

    stage: int
    needs: int
    where: str
    text: str


def plan_document(document: Document, options: PlanOptions) -> Plan:
    """Raises DockerfileError for what is wrong in any stage's FROM or sources, and for an unknown ``--target``."""
    typed = type_document(document)
    first = next((at for at, one in enumerate(typed) if isinstance(one, From)), None)
    if first is None:
        raise DockerfileError(
            "there is no FROM", where=document.where(typed[0].node.line), hint="begin with FROM image, or FROM scratch"
        )
    global_args = evaluate_global_args(document, tuple(one for one in typed[:first] if isinstance(one, Arg)), options)
    warnings: list[Warning_] = []
    drafts = _drafts(document, typed[first:], options, global_args, warnings)
    labels = tuple(draft.from_.name or str(number) for number, draft in enumerate(drafts))
    numbers = {draft.from_.name: number for number, draft in enumerate(drafts) if draft.from_.name}
    names = StageNames(numbers, labels, options.named_contexts)
    edges = [edge for number in range(len(drafts)) for edge in _edges(document, drafts, number, names)]
    _refuse_cycles(edges, labels)
    target = _target(document, options, drafts, names)
    order = _reachable(target, edges)
    _refuse_forward_references(edges, order, labels)
    reads = _by_stage(edges)
    stages = tuple(_stage(number, draft, reads.get(number, [])) for number, draft in enumerate(drafts))
    warnings += unknown_words(document)
    warnings += _undeclared(document, options, global_args, [stages[number] for number in order])
    checks = parse_checks(document, options)
    return Plan(document, options, stages, target, order, global_args, wanted(warnings, checks), checks)


def stage_names(plan: Plan) -> StageNames:
    """The names by which the plan's instructions reach its stages."""
    labels = tuple(stage.name or str(stage.number) for stage in plan.stages)
    numbers = {stage.name: stage.number for stage in plan.stages if stage.name}
    return StageNames(numbers, labels, plan.options.named_contexts)


def _drafts(
    document: Document,
    typed: tuple[TypedInstruction, ...],
    options: PlanOptions,
    global_args: tuple[GlobalArg, ...],
    warnings: list[Warning_],
) -> list[_Draft]:
    """The stages in order. A name counts from the FROM after it, so a FROM never names itself or a later stage."""
    values = global_values(options, global_args)
    starts = [at for at, one in enumerate(typed) if isinstance(one, From)]
    drafts: list[_Draft] = []
    names: dict[str, int] = {}
    for start, end in zip(starts, [*starts[1:], len(typed)], strict=True):
        from_ = typed[start]
        assert isinstance(from_, From)
        where = document.where(from_.node.line)
        instructions = typed[start + 1 : end]
        platform = _platform(document, from_, values)
        if from_.name is not None and _is_replaced(from_.name, options):
            drafts.append(_Draft(from_, BaseImage(from_.name), platform, ()))
        else:
            image = analyse(from_.image, values.get, escape=document.escape, where=where)
            declared = {arg.name for arg in global_args}
            for name in image.missing:
                if name not in declared:
                    warnings.append(
                        Warning_(where, f"FROM uses the ARG {name}, which nothing declares", "UndefinedArgInFrom")
                    )
                elif image.text and not _is_reference(image.text):
                    message = f"FROM uses the ARG {name}, which has no value, and {image.text!r} is no image's name"
                    warnings.append(Warning_(where, message, "InvalidDefaultArgInFrom"))
            drafts.append(_Draft(from_, _base(image.text, from_, names, where), platform, instructions))
        if from_.name is not None:
            if from_.name in names:
                message = f"the stage name {from_.name} is used twice; the later one counts"
                warnings.append(Warning_(where, message, "DuplicateStageName"))
            names[from_.name] = len(drafts) - 1
    return drafts


def _is_replaced(name: str, options: PlanOptions) -> bool:
    return bool(options.named_contexts) and short_name(name) in options.named_contexts


def _is_reference(text: str) -> bool:
    try:
        parse_reference(text)
    except ReferenceError_:
        return False
    return True


def _base(image: str, from_: From, names: dict[str, int], where: str) -> Base:
    if not image:
        raise DockerfileError(
            f"the image of FROM is blank: {from_.image}",
            where=where,
            hint="give the ARG a default, ARG NAME=value, before the first FROM, or pass --build-arg NAME=value",
        )
    if image == SCRATCH:
        return BaseScratch()
    number = names.get(image.lower())
    return BaseImage(image) if number is None else BaseStage(number)


def _platform(document: Document, from_: From, values: dict[str, str]) -> Platform | None:
    if from_.platform is None:
        return None
    where = document.where(from_.node.line)
    text = analyse(from_.platform, values.get, escape=document.escape, where=where).text
    if not text:
        raise DockerfileError(
            f"the platform of FROM is blank: --platform={from_.platform}",
            where=where,
            hint="write --platform=$BUILDPLATFORM or --platform=linux/amd64",
        )
    try:
        return parse_platform(text)
    except InputError as error:
        raise DockerfileError(error.message, where=where, hint=error.hint) from None


def _edges(document: Document, drafts: list[_Draft], number: int, names: StageNames) -> list[_Edge]:
    """What stage ``number`` reads: its base, the sources of its instructions and of its base's triggers."""
    draft = drafts[number]
    line = draft.from_.node.line
    edges: list[_Edge] = []
    instructions = [(document.where(one.node.line), one) for one in draft.instructions]
    if isinstance(draft.base, BaseStage):
        edges.append(_Edge(number, draft.base.number, document.where(line), f"FROM {draft.from_.image}"))
        below = drafts[draft.base.number].instructions
        triggers = [one.trigger for one in below if isinstance(one, Onbuild)]
        instructions += [(document.where(line), parse_trigger(one, document.where(line), "\\")) for one in triggers]
    for where, instruction in instructions:
        for name in from_words(instruction):
            source = names.resolve(check_plain(name, where), where)
            if isinstance(source, SourceStage):
                edges.append(_Edge(number, source.number, where, f"{instruction.node.keyword} from {name}"))
    return edges


def _refuse_cycles(edges: list[_Edge], labels: tuple[str, ...]) -> None:
    """Raises DockerfileError at an instruction that closes a circle of stages."""
    reads = _by_stage(edges)
    for edge in edges:
        if edge.needs < edge.stage:  # every circle has an edge that leads downwards
            continue
        circle = _path(edge.needs, edge.stage, reads)
        if circle is not None:
            text = " needs ".join(labels[number] for number in (edge.stage, *circle))
            raise DockerfileError(
                f"stages go round in a circle: {text}",
                where=edge.where,
                hint="a stage can only read from stages above it",
                code="stage-cycle",
            )


def _by_stage(edges: list[_Edge]) -> dict[int, list[int]]:
    reads: dict[int, list[int]] = {}
    for edge in edges:
        reads.setdefault(edge.stage, []).append(edge.needs)
    return reads


def _path(start: int, end: int, reads: dict[int, list[int]]) -> list[int] | None:
    """The stages from ``start`` to ``end``, both included, each reading the next; None where there is no way."""
    came_from = {start: start}
    waiting = [start]
    while waiting and end not in came_from:
        number = waiting.pop()
        for needed in reads.get(number, ()):
            if needed not in came_from:
                came_from[needed] = number
                waiting.append(needed)
    if end not in came_from:
        return None
    path = [end]
    while path[-1] != start:
        path.append(came_from[path[-1]])
    return path[::-1]


def _refuse_forward_references(edges: list[_Edge], order: tuple[int, ...], labels: tuple[str, ...]) -> None:
    for edge in edges:
        if edge.needs >= edge.stage and edge.stage in order:
            raise DockerfileError(
                f"{edge.text}: the stage {labels[edge.needs]} is defined further down",
                where=edge.where,
                hint=f"move it above the stage {labels[edge.stage]}",
                code="stage-order",
            )


def _target(document: Document, options: PlanOptions, drafts: list[_Draft], names: StageNames) -> int:
    if options.target is None:
        return len(drafts) - 1
    number = names.numbers.get(options.target.lower())
    if number is not None:
        return number
    if options.target.isascii() and options.target.isdecimal() and int(options.target) < len(drafts):
        return int(options.target)
    import difflib

    close = difflib.get_close_matches(options.target.lower(), names.labels, n=1)
    known = ", ".join(names.labels)
    raise DockerfileError(
        f"there is no stage {options.target!r}",
        where=document.where(drafts[-1].from_.node.line),
        hint=f"did you mean {close[0]!r}? The stages are: {known}" if close else f"the stages are: {known}",
        code="unknown-stage",
    )


def _reachable(target: int, edges: list[_Edge]) -> tuple[int, ...]:
    """The target and all that it needs, in the order of the file, which is an order to build in."""
    reads = _by_stage(edges)
    found = {target}
    waiting = [target]
    while waiting:
        new = set(reads.get(waiting.pop(), ())) - found
        found |= new
        waiting += new
    return tuple(sorted(found))


def _stage(number: int, draft: _Draft, needs: list[int]) -> Stage:
    from_ = draft.from_
    return Stage(number, from_.name, draft.base, draft.platform, from_, draft.instructions, tuple(sorted(set(needs))))


def _undeclared(
    document: Document, options: PlanOptions, global_args: tuple[GlobalArg, ...], stages: list[Stage]
) -> list[Warning_]:
    declared = {arg.name for arg in global_args}
    for stage in stages:
        declared |= {pair.key for one in stage.instructions if isinstance(one, Arg) for pair in one.args}
    return [
        Warning_(document.name, f"the build argument {name} is used by no ARG of the stages that are built")
        for name, _ in options.build_args
        if name not in declared and not needs_no_declaration(name, options)
    ]
