"""A rewrite's trial in words: layers, bytes, seconds before and after, and the proof."""

from __future__ import annotations

from lamella.cli.text.columns import align
from lamella.cli.text.counts import count
from lamella.cli.text.docker import human_size
from lamella.cli.text.proof import proof_lines, proof_markdown
from lamella.trial.verdict import Measure, Verdict

NAMES = ("before", "after")


def verdict_lines(verdict: Verdict, names: tuple[str, str] = NAMES) -> list[str]:
    """``layers 5 -> 1``, bytes, seconds, then the proof."""
    table = [[label, before, "->", after, f" {note}"] for label, before, after, note in _rows(verdict)]
    return [*align(table, right=[1], gap=" "), *proof_lines(verdict.proof, names)]


def verdict_markdown(verdict: Verdict, names: tuple[str, str] = NAMES) -> list[str]:
    """A table and the proof, for a pull request."""
    lines = [f"| | {names[0]} | {names[1]} | |", "|---|--:|--:|---|"]
    lines += [f"| {label} | {before} | {after} | {note} |" for label, before, after, note in _rows(verdict)]
    return [*lines, "", *proof_markdown(verdict.proof, names)]


def _rows(verdict: Verdict) -> list[tuple[str, str, str, str]]:
    before, again, after = verdict.before, verdict.again, verdict.after
    base = before.layers - before.added
    on_base = f"above a base of {count(base, 'layer')}" if base else "in all"
    return [
        ("layers", str(before.added), str(after.added), on_base),
        ("bytes", human_size(before.bytes), human_size(after.bytes), _saved(before.bytes, after.bytes, "unpacked")),
        (
            "stored",
            human_size(before.compressed),
            human_size(after.compressed),
            _saved(before.compressed, after.compressed, "compressed"),
        ),
        ("seconds", f"{again.seconds:.1f}", f"{after.seconds:.1f}", _cached(after)),
    ]


def _saved(before: int, after: int, how: str) -> str:
    if before == after:
        return how
    return f"{how}, {human_size(abs(before - after))} {'less' if after < before else 'more'}"


def _cached(measure: Measure) -> str:
    return f"{measure.cached} of {count(measure.steps, 'step')} from the cache" if measure.cached else "without cache"
