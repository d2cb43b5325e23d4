"""Why a step was not in the cache: what is no longer as it was when this Dockerfile was built last.

Only what is known is told. The step's last build is found by the note of the whole stage (:mod:`lamella.build.trace`);
what its key was made of stands in its cache record. What cannot be found there was not built before, as far as anybody
knows.
"""

from __future__ import annotations

from collections.abc import Callable

from lamella.build.align import align
from lamella.build.cache import fits_epoch
from lamella.build.level import chain_of
from lamella.build.machine import Machine
from lamella.build.readlines import file_changes
from lamella.build.sources import CopySource
from lamella.build.trace import Miss, Running, StageTrace, StepTrace, Traces
from lamella.build.work import Work
from lamella.events import CacheMissed, MissReason
from lamella.plan.key import cache_key
from lamella.plan.keydiff import definition_changes
from lamella.plan.step import CopyStep, RunStep, Source, Step
from lamella.store.cache import CacheRecord


def explain_misses(work: Work, traces: Traces) -> Callable[[Miss], None]:
    """From now on every miss of the stage is an event, CacheMissed; returns what makes one of a miss."""
    running = work.running
    assert running is not None
    explainer = _Explainer(work.machine, traces.last(running.lowered), running, work.open_source)

    def explain(miss: Miss) -> None:
        work.machine.emit(CacheMissed(miss.step, tuple(explainer.reasons(miss))))

    running.explain = explain
    return explain


class _Explainer:
    """Of one stage's misses; ``open_source`` opens what a COPY reads."""

    def __init__(
        self,
        machine: Machine,
        last: StageTrace | None,
        running: Running,
        open_source: Callable[[Source, str], CopySource],
    ) -> None:
        self._machine = machine
        self._last = last
        self._running = running
        self._open_source = open_source
        numbers = running.numbers()
        old = [step.text for step in last.steps] if last is not None else []
        pairs = align(old, [running.text(one) for one in numbers])
        self._pairs = {numbers[new]: position for new, position in pairs.items()}

    def reasons(self, miss: Miss) -> list[MissReason]:
        """Why, at least one."""
        if not miss.asked:
            return [MissReason("no-cache")]
        number, level, definition, contents = miss.number, miss.level, miss.definition, miss.contents
        cache = self._machine.store.cache
        settled = level is None or level.settled
        chain = (chain_of(level) or "") if settled else None
        if chain is not None and contents is not None:
            there = cache.lookup(cache_key(chain, definition, contents))
            if there is not None:
                return [self._useless(there)]
        last = self._last_of(number)
        if last is None:
            return [MissReason("not-built-before")]
        text = self._running.text(number)
        record = cache.lookup(last.key)
        if record is None:
            changed = [MissReason("instruction", before=last.text, after=text)] if last.text != text else []
            return changed or [MissReason("record-removed")]
        reasons = []
        if chain is None or chain != record.parent_chain:
            reasons.append(self._below(number, made_again=chain is None))
        names = {pair.partition("=")[0] for pair in self._running.lowered.steps[number].config.env}
        before = record.definition.encode() if isinstance(record.definition, str) else record.definition
        reasons += definition_changes(before, definition, (last.text, text), names)
        if contents is not None and contents != record.contents:
            reasons += self._contents(number, record, contents)
        return reasons or [MissReason("not-built-before")]

    def _useless(self, record: CacheRecord) -> MissReason:
        """A record with the very key was not good enough."""
        if not fits_epoch(record, self._machine.epoch):
            return MissReason("epoch", before=str(record.created // 10**9), after=str(self._machine.epoch))
        return MissReason("layer-removed", name=str(record.layer.blob.digest) if record.layer is not None else "")

    def _last_of(self, number: int) -> StepTrace | None:
        """The step in the last build."""
        position = self._pairs.get(number)
        return self._last.steps[position] if self._last is not None and position is not None else None

    def _below(self, number: int, *, made_again: bool) -> MissReason:
        """What lies below is not what it was: by a step above, or by the base."""
        running, last = self._running, self._last
        assert last is not None
        above = max((one for one in running.numbers() if one < number), default=None)
        if above is not None:
            before = self._last_of(above)
            if above in running.made or before is None or before.key != running.keys.get(above):
                change = "made-again" if above in running.made else "other-result"
                return MissReason("step-above", change=change, where=running.lowered.steps[above].info.where)
        gone = last.steps[self._pairs.get(above, -1) + 1 if above is not None else 0 : self._pairs[number]]
        if gone:
            return MissReason("step-gone", before=gone[-1].text)
        if above is not None:
            return MissReason("below")
        return _base_change(last.base, running.base, made_again=made_again)

    def _contents(self, number: int, record: CacheRecord, contents: str) -> list[MissReason]:
        before = self._machine.store.cache.lines_of(record.contents)
        after: bytes = getattr(contents, "lines", b"")
        if not before or not after:
            return [MissReason("reads")]
        step = self._running.lowered.steps[number]
        reasons = file_changes(before, after)
        sources = _sources_of(step)
        if len(sources) == 1:  # of several, nobody knows in which one a file was
            source = self._open_source(sources.pop(), step.info.where)
            reasons = [_with_ignore(reason, source) for reason in reasons]
        return reasons or [MissReason("reads")]


def _sources_of(step: Step) -> set[Source]:
    if isinstance(step, CopyStep):
        return {step.source}
    if isinstance(step, RunStep):
        return {mount.source for mount in step.mounts if mount.source is not None}
    return set()


def _with_ignore(reason: MissReason, source: CopySource) -> MissReason:
    """A file that is gone may be there, and left out by the ignore file."""
    if reason.change != "gone":
        return reason
    left_out = source.why_missing(reason.name)
    return reason if left_out is None else reason._replace(change="ignored", after=left_out)


def _base_change(before: tuple[str, ...], base: tuple[str, ...], *, made_again: bool) -> MissReason:
    if base[0] == "stage" and (made_again or base == before):
        return MissReason("base-stage", name=base[1])
    if base == before:
        return MissReason("below")
    if base[0] == before[0] == "image" and base[1] == before[1]:
        return MissReason("base-image", name=base[1], before=before[2], after=base[2])
    return MissReason("base-image", before=_base_text(before), after=_base_text(base))


def _base_text(base: tuple[str, ...]) -> str:
    return base[1] if len(base) > 1 else "scratch"
