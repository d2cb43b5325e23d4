"""A proof in words, and as Markdown for a pull request."""

from __future__ import annotations

from collections.abc import Sequence

from lamella.cli.text.columns import WIDTH, align, shorten, shorten_path
from lamella.cli.text.counts import count
from lamella.cli.text.docker import human_size
from lamella.prove.model import Difference, Proof, Removal

_LISTED = 40  # differences printed before the rest is only counted
_LISTED_NOISE = 10


def proof_lines(proof: Proof, names: tuple[str, str] = ("a", "b")) -> list[str]:
    """The verdict first, then what it stands on."""
    lines = [verdict_line(proof)]
    lines += _difference_lines(proof.differences, names, _LISTED)
    lines += _difference_lines(proof.config, names, _LISTED)
    if proof.declared:
        lines.append("removed on purpose: " + _removed(proof.declared))
        lines += ["  " + line for line in _removal_lines(proof.declared)]
    if proof.noise:
        lines.append(noise_line(proof))
        lines += ["  " + line for line in _noise_lines(proof.noise)]
    if proof.times:
        lines.append(f"modification times alone differ on {count(len(proof.times), 'path')} (they do not count)")
    lines += [f"note: {note}" for note in proof.notes]
    return lines


def verdict_line(proof: Proof) -> str:
    """``same state: 8,743 paths compared`` or ``different: …``."""
    if proof.same:
        return f"same state: {count(proof.paths, 'path')} compared"
    parts = []
    if proof.differences:
        paths = len({difference.path for difference in proof.differences})
        parts.append(f"{count(paths, 'path')} of {proof.paths:,}")
    if proof.config:
        parts.append(count(len(proof.config), "config value"))
    return "different: " + " and ".join(parts)


def noise_line(proof: Proof) -> str:
    """What two builds of the original already differ in."""
    paths = len({difference.path for difference in proof.noise})
    return f"noise: two builds of the original already differ on {count(paths, 'path')}; those fields do not count"


def _difference_lines(differences: Sequence[Difference], names: tuple[str, str], limit: int) -> list[str]:
    lines: list[str] = []
    for difference in differences[:limit]:
        lines.append("  " + shorten_path(difference.path, WIDTH - 16) + f"  {difference.what}")
        for name, value in zip(names, (difference.a, difference.b), strict=True):
            label = name.ljust(max(map(len, names)))
            lines.append(f"      {label}  {shorten(value, WIDTH - 8 - len(label))}")
    if len(differences) > limit:
        lines.append(f"  … and {count(len(differences) - limit, 'difference')} more")
    return lines


def _removed(declared: Sequence[Removal]) -> str:
    return f"{count(len(declared), 'path')}, {human_size(sum(removal.bytes for removal in declared))}"


def _removal_lines(declared: Sequence[Removal]) -> list[str]:
    """One line for each pattern."""
    by_pattern: dict[str, list[Removal]] = {}
    for removal in declared:
        by_pattern.setdefault(removal.pattern, []).append(removal)
    return align([[shorten_path(pattern, 60), _removed(found)] for pattern, found in by_pattern.items()])


def _noise_lines(noise: Sequence[Difference]) -> list[str]:
    fields: dict[str, list[str]] = {}
    for difference in noise:
        fields.setdefault(difference.path, []).append(difference.what)
    shown = list(fields.items())[:_LISTED_NOISE]
    lines = align([[shorten_path(path, 70), ", ".join(what)] for path, what in shown])
    if len(fields) > len(shown):
        lines.append(f"… and {count(len(fields) - len(shown), 'path')} more")
    return lines


def proof_markdown(proof: Proof, names: tuple[str, str] = ("a", "b")) -> list[str]:
    """The verdict as a comment for a pull request."""
    mark = "✅" if proof.same else "❌"
    verdict = verdict_line(proof)
    lines = [f"{mark} **{verdict[0].upper()}{verdict[1:]}**"]
    counted = [*proof.differences, *proof.config]
    if counted:
        lines += ["", f"| path | what | {_cell(names[0])} | {_cell(names[1])} |", "|---|---|---|---|"]
        lines += [f"| {_code(d.path)} | {d.what} | {_cell(d.a)} | {_cell(d.b)} |" for d in counted[:_LISTED]]
        if len(counted) > _LISTED:
            lines.append(f"| … and {len(counted) - _LISTED:,} more | | | |")
    for title, body in _sections(proof):
        lines += ["", f"<details><summary>{title}</summary>", "", *body, "", "</details>"]
    lines += [line for note in proof.notes for line in ("", note[0].upper() + note[1:] + ".")]
    return lines


def _sections(proof: Proof) -> list[tuple[str, list[str]]]:
    sections = []
    if proof.declared:
        body = [f"- {_code(r.path)} ({human_size(r.bytes)}), by {_code(r.pattern)}" for r in proof.declared[:_LISTED]]
        if len(proof.declared) > _LISTED:
            body.append(f"- … and {len(proof.declared) - _LISTED:,} more")
        sections.append((f"Removed on purpose: {_removed(proof.declared)}", body))
    if proof.noise:
        body = [f"- {_code(d.path)}: {d.what}" for d in proof.noise[:_LISTED]]
        if len(proof.noise) > _LISTED:
            body.append(f"- … and {len(proof.noise) - _LISTED:,} more")
        sections.append((noise_line(proof)[0].upper() + noise_line(proof)[1:], body))
    return sections


def _code(text: str) -> str:
    return "`" + shorten(text, 200).replace("`", "'").replace("|", "\\|") + "`"


def _cell(text: str) -> str:
    """Text in a table's cell, with what Markdown would read in it escaped."""
    escaped = {ord(char): "\\" + char for char in "\\`*_|[]"} | {ord("<"): "&lt;"}
    return shorten(text, 200).translate(escaped)
