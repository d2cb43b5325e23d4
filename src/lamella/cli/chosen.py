"""The containers that a command names, one after the other, as in Docker: what goes wrong with one stops no other."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from lamella.cli.session import Session

if TYPE_CHECKING:
    from lamella.container.folder import Folder
    from lamella.container.table import Table


def each_container(session: Session, names: list[str], act: Callable[[Table, Folder], str | None]) -> int:
    """Calls ``act`` with each and prints what it returns, or the container as the user called it. The last error is
    raised at the end."""
    from lamella.container.recover import recover
    from lamella.container.table import Table
    from lamella.errors import LamellaError

    table = Table(session.root)
    recover(table)
    failed: list[LamellaError] = []
    for name in names:
        try:
            answer = act(table, table.find(name))
        except LamellaError as error:
            failed.append(error)
            continue
        session.out(name if answer is None else answer)
    for earlier in failed[:-1]:
        session.note(f"error: {earlier}")
    if failed:
        raise failed[-1]
    return 0
