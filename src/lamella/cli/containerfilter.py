"""``ps --filter WHAT=VALUE``: those of Docker's that can be answered here."""

from __future__ import annotations

from collections.abc import Callable

from lamella.container.values import Container, State
from lamella.errors import UsageError

Test = Callable[[Container, State, str], bool]


def _label(container: Container, state: State, value: str) -> bool:
    name, equals, wanted = value.partition("=")
    labels = dict(container.labels)
    return name in labels and (not equals or labels[name] == wanted)


_TESTS: dict[str, Test] = {
    "id": lambda container, state, value: container.id.startswith(value),
    "name": lambda container, state, value: value.removeprefix("/") in container.name,
    "label": _label,
    "status": lambda container, state, value: state.status == value,
    "health": lambda container, state, value: (state.health or "none") == value,
    "exited": lambda container, state, value: state.status == "exited" and str(state.exit_code) == value,
    "ancestor": lambda container, state, value: (
        value in (container.image, container.image.removesuffix(":latest"))
        or container.image_id.removeprefix("sha256:").startswith(value.removeprefix("sha256:"))
    ),
}


class Filters:
    """Several values of one kind are alternatives; kinds stand together."""

    def __init__(self, wanted: dict[str, list[str]]) -> None:
        self._wanted = wanted
        #: whether they ask for containers that do not run, too
        self.by_status = bool(wanted.keys() & {"status", "exited"})

    def __call__(self, container: Container, state: State) -> bool:
        return all(
            any(_TESTS[what](container, state, value) for value in values) for what, values in self._wanted.items()
        )


def parse_filters(texts: list[str]) -> Filters:
    """Raises UsageError."""
    wanted: dict[str, list[str]] = {}
    for text in texts:
        what, equals, value = text.partition("=")
        if what not in _TESTS or not equals:
            raise UsageError(f"--filter {text}: there is no such filter", hint=f"WHAT=VALUE with {', '.join(_TESTS)}")
        wanted.setdefault(what, []).append(value)
    return Filters(wanted)
