"""Signals by name and number, as STOPSIGNAL and ``kill --signal`` write them. Source: signal(7)."""

from __future__ import annotations

import re
import signal

from lamella.errors import InputError

_REAL_TIME = re.compile(r"RTM(IN|AX)(?:([+-])(\d+))?")


def parse_signal(text: str) -> int:
    """``SIGTERM``, ``term``, ``15``, ``SIGRTMIN+3``, ``RTMAX-1``. Raises InputError."""
    word = text.strip().upper().removeprefix("SIG")
    number = int(word) if word.isascii() and word.isdigit() else _named(word)
    if not number or number > signal.SIGRTMAX:
        raise InputError(f"{text!r} is no signal", hint="a name such as SIGTERM or SIGRTMIN+3, or a number")
    return number


def _named(word: str) -> int:
    match = _REAL_TIME.fullmatch(word)
    if match:
        base = signal.SIGRTMIN if match[1] == "IN" else signal.SIGRTMAX
        number = base + int(f"{match[2] or '+'}{match[3] or 0}")
        return number if signal.SIGRTMIN <= number <= signal.SIGRTMAX else 0
    found = getattr(signal, f"SIG{word}", None)
    return int(found) if isinstance(found, signal.Signals) else 0
