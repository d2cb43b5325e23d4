"""What a command names, one after the other, as in Docker: what goes wrong with one stops no other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from lamella.cli.session import Session

if TYPE_CHECKING:
    from lamella.container.folder import Folder
    from lamella.container.table import Table
    from lamella.errors import LamellaError


def each_container(
    session: Session, names: list[str], act: Callable[[Table, Folder], str | None], *, together: bool = False
) -> int:
    """Calls ``act`` with each and prints what it returns, or the container as the user called it. ``together``: with
    all of them at once, since it takes its time. Raises as ``each`` does."""
    table = tidy_table(session)
    return each(session, names, lambda name: act(table, table.find(name)), together=together)


def tidy_table(session: Session) -> Table:
    """The containers, after those that died."""
    from lamella.container.recover import recover
    from lamella.container.table import Table

    table = Table(session.root)
    recover(table)
    return table


def each(session: Session, names: list[str], act: Callable[[str], str | None], *, together: bool = False) -> int:
    """Calls ``act`` with each and prints what it returns, or the name. The last error is raised at the end."""
    from lamella.errors import LamellaError

    def one(name: str) -> str | LamellaError:
        try:
            answer = act(name)
        except LamellaError as error:
            return error
        return name if answer is None else answer

    failed: list[LamellaError] = []
    for answer in _at_once(one, names) if together and len(names) > 1 else map(one, names):
        if isinstance(answer, LamellaError):
            failed.append(answer)
        else:
            session.out(answer)
    for earlier in failed[:-1]:
        session.note(f"error: {earlier}")
    if failed:
        raise failed[-1]
    return 0


def _at_once(act: Callable[[str], str | LamellaError], names: list[str]) -> Iterator[str | LamellaError]:
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(len(names)) as pool:
        yield from pool.map(act, names)
