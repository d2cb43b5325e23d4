"""Standard streams and encodings that a shell left unusual, made usual before anything is read or printed."""

from __future__ import annotations

import os
import sys
from io import TextIOWrapper


def mend() -> None:
    """Opens closed standard streams on the null device, lest a file of the store gets their number. Starts the
    interpreter anew, with UTF-8 for file names, where the locale has another encoding: those in a Dockerfile are
    UTF-8. Characters that a stream cannot print are escaped."""
    _open_closed()
    if sys.getfilesystemencoding() != "utf-8" and not sys.flags.utf8_mode:
        os.execv(sys.executable, [sys.executable, "-X", "utf8", *sys.orig_argv[1:]])
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _open_closed() -> None:
    while (number := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(number, True)
    os.close(number)
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, "w" if number else "r", encoding="utf-8", closefd=False))  # noqa: SIM115
