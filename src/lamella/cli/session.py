"""What every command is given: where the store is, where output goes, who listens to progress."""

from __future__ import annotations

import os
import sys
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from lamella.cli.replay import default_root

if TYPE_CHECKING:
    from lamella.events import Emit
    from lamella.store.store import Store


class Session:
    """One call of the command line. stdout is for data, stderr for people."""

    def __init__(self, root: str | None = None, words: list[str] | None = None) -> None:
        """``words`` are the command line behind the command's name."""
        self.words = words or []
        self.root = os.path.abspath(root) if root else default_root()
        self._store: Store | None = None
        self._emit: Emit | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: object, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Lets the store go, before the command ends; it can be opened again."""
        if self._store is not None:
            self._store.close()
            self._store = None

    def store(self) -> Store:
        """The local store, opened (and made) at the first call."""
        if self._store is None:
            from lamella.store.store import Store

            self._store = Store.open(self.root)
        return self._store

    @property
    def emit(self) -> Emit:
        """Renders progress events as plain lines on stderr."""
        if self._emit is None:
            from lamella.cli.progress import PlainProgress

            self._emit = PlainProgress(sys.stderr).emit
        return self._emit

    def out(self, text: str = "") -> None:
        sys.stdout.write(_printable(text) + "\n")

    def json(self, data: Any) -> None:
        import json

        json.dump(data, sys.stdout, indent=2, ensure_ascii=True)
        sys.stdout.write("\n")

    def note(self, text: str) -> None:
        sys.stdout.flush()
        sys.stderr.write(_printable(text) + "\n")
        sys.stderr.flush()


def _printable(text: str) -> str:
    """File names that are not UTF-8 carry surrogate escapes, which no stream takes."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
