"""Two definitions of a step: what of the later one is not as in the earlier one."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from typing import Any

from lamella.events import MissReason
from lamella.plan.key import VERSION

#: fields of a definition that follow from the instruction's own text, with what a person calls them
_WRITTEN = {
    "argv": "the command",
    "script": "the script",
    "script_name": "the script's name",
    "mounts": "--mount",
    "sources": "the sources",
    "destination": "the destination",
    "remotes": "the sources",
    "from_context": "--from",
    "inline": "the heredoc",
    "chown": "--chown",
    "chmod": "--chmod",
    "link": "--link",
    "parents": "--parents",
    "excludes": "--exclude",
    "unpack": "--unpack",
    "checksum": "--checksum",
    "keep_git_dir": "--keep-git-dir",
    "add": "the keyword",
    "path": "the path",
}
#: fields that come from the instructions before it, or from the command line
_AROUND = ("user", "cwd", "network", "security")


def definition_changes(
    before: bytes, after: bytes, texts: tuple[str, str], env_names: Collection[str]
) -> list[MissReason]:
    """What differs between two values of :func:`lamella.plan.key.step_definition`. ``texts`` are the instructions as
    written; ``env_names`` the variables that ENV sets, the others are ARGs."""
    if before == after:
        return []
    (old_version, old), (version, new) = json.loads(before), json.loads(after)
    if old_version != VERSION or version != VERSION:
        return [MissReason("format", before=str(old_version), after=str(version))]
    reasons: list[MissReason] = []
    if old["kind"] != new["kind"]:
        return [MissReason("instruction", before=texts[0], after=texts[1])]
    shell = _shells(old, new)
    if shell is not None:
        reasons.append(MissReason("shell", before=shell[0], after=shell[1]))
    written = [name for name in sorted(new) if name in _WRITTEN and old.get(name) != new.get(name)]
    if shell is not None and old["argv"][-1] == new["argv"][-1]:
        written.remove("argv")
    if written and texts[0] != texts[1] and written != ["inline"]:
        reasons.append(MissReason("instruction", before=texts[0], after=texts[1]))
    elif written:
        reasons += [_field(name, old.get(name), new.get(name)) for name in written]
    for name in _AROUND:
        if old.get(name) != new.get(name):
            reasons.append(MissReason(name, before=_shown(old.get(name)), after=_shown(new.get(name))))
    reasons += _variables(old.get("env", ()), new.get("env", ()), env_names)
    return reasons or [MissReason("format")]


def _shells(old: dict[str, Any], new: dict[str, Any]) -> tuple[str, str] | None:
    """What both commands are run by, where it is not the same: the words before the last."""
    if new["kind"] != "run" or old["argv"][:-1] == new["argv"][:-1]:
        return None
    if len(old["argv"]) < 2 or len(new["argv"]) < 2 or old["argv"][-1] != new["argv"][-1]:
        return None
    return " ".join(old["argv"][:-1]), " ".join(new["argv"][:-1])


def _field(name: str, before: Any, after: Any) -> MissReason:
    """A field that changed while the text did not: by a variable, or inside a heredoc."""
    if name in ("argv", "script"):
        lines = _first_difference(before, after) if name == "argv" else ("", "")
        return MissReason("heredoc", before=lines[0], after=lines[1])
    if name == "inline":
        old = dict(before)
        changed = [file for file, digest in after if old.get(file) != digest]
        return MissReason("heredoc", name=", ".join(changed))
    return MissReason("flag", name=_WRITTEN[name], before=_shown(before), after=_shown(after))


def _first_difference(before: list[str], after: list[str]) -> tuple[str, str]:
    """The first lines of two commands that are not the same."""
    old, new = "\n".join(before).split("\n"), "\n".join(after).split("\n")
    for number in range(max(len(old), len(new))):
        pair = (old[number] if number < len(old) else "", new[number] if number < len(new) else "")
        if pair[0] != pair[1]:
            return pair
    return "", ""


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return " ".join(value if all(isinstance(one, str) for one in value) else map(json.dumps, value))
    return "" if value is None else str(value)


def _variables(old: list[str], new: list[str], env_names: Collection[str]) -> Iterator[MissReason]:
    before = dict(pair.partition("=")[::2] for pair in old)
    after = dict(pair.partition("=")[::2] for pair in new)
    for name in sorted(before.keys() | after.keys()):
        was, now = before.get(name), after.get(name)
        if was == now:
            continue
        change = "new" if was is None else "gone" if now is None else "value"
        yield MissReason("env" if name in env_names else "arg", name, change, was or "", now or "")
    if before == after and old != new:
        yield MissReason("format")  # only their order changed
