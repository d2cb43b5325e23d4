"""Why a step was not in the cache, as half a sentence."""

from __future__ import annotations

from lamella.cli.text.columns import differing, one_line, shorten
from lamella.events import MissReason

_LONG = 60  # columns of a value or an instruction
_DIGEST = len("sha256:") + 12
_SETTING = {
    "user": "the user",
    "cwd": "the working directory",
    "network": "the network",
    "security": "--security",
    "shell": "the shell",
}
_PLAIN = {
    "no-cache": "--no-cache or --no-cache-filter leaves the cache out",
    "not-built-before": "not built before",
    "below": "what lies below it is another than it was",
    "reads": "what it reads changed",
    "record-removed": "it was removed from the build cache",
    "format": "the cache was written by another version of lamella",
}


def miss_text(reason: MissReason) -> str:
    """``the file src/a.py changed (content)``."""
    what, name, change, before, after, where = reason
    if what in _PLAIN:
        return _PLAIN[what]
    if what in _SETTING:
        return f"{_SETTING[what]} changed{_from_to(before, after)}"
    if what in ("arg", "env"):
        return _variable(f"{what.upper()} {one_line(name)}", change, before, after)
    match what:
        case "file":
            return _file(reason)
        case "more-files":
            return f"and {after} more"
        case "instruction":
            return "the instruction changed: " + " → ".join(differing(before, after, _LONG))
        case "heredoc":
            named = f"the heredoc {one_line(name)}" if name else "the heredoc"
            return f"{named} changed" + (_from_to(before, after) if before or after else "")
        case "flag":
            return f"{name} changed{_from_to(before, after)}"
        case "base-image":
            named = f"the base image {one_line(name)}" if name else "the base image"
            return f"{named} changed ({_digest(before)} → {_digest(after)})"
        case "base-stage":
            return f"the stage it stands on changed ({one_line(name)})"
        case "step-above":
            how = "was made again" if change == "made-again" else "changed"
            return f"the step above it {how} ({where})"
        case "step-gone":
            return f"a step above it is gone: {shorten(before, _LONG)}"
        case "layer-removed":
            return "its layer was removed from the store"
        case "epoch":
            return f"it was made for other times than SOURCE_DATE_EPOCH={after}"
    return what


def _from_to(before: str, after: str) -> str:
    return f" from {_value(before)} to {_value(after)}"


def _value(text: str) -> str:
    return shorten(text, _LONG) if text else "nothing"


def _variable(named: str, change: str, before: str, after: str) -> str:
    if change == "new":
        return f"{named} is new ({_value(after)})"
    if change == "gone":
        return f"{named} is gone (it was {_value(before)})"
    return f"{named} changed{_from_to(before, after)}"


def _file(reason: MissReason) -> str:
    named = f"the file {one_line(reason.name)}"
    match reason.change:
        case "new" | "gone":
            return f"{named} is {reason.change}"
        case "ignored":
            return f"{named} is left out: {one_line(reason.after)}"
        case "mode" | "owner" | "link":
            return f"{named} changed ({reason.change} {one_line(reason.before)} → {one_line(reason.after)})"
    return f"{named} changed ({reason.change})"


def _digest(text: str) -> str:
    return f"{text[:_DIGEST]}…" if text.startswith("sha256:") else one_line(text)
