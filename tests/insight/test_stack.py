"""Joining histories to layers, also those that lie."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lamella.insight.as_json import stack_to_json
from lamella.insight.stack import Base, LayerBytes, Row, Stack, image_stack
from lamella.oci.config import HistoryEntry

NO_BASE = Base("", 0, 0)


def layers(*sizes: int) -> list[LayerBytes]:
    return [
        LayerBytes(f"sha256:{number}", f"sha256:d{number}", size, size // 2, 1) for number, size in enumerate(sizes)
    ]


def entry(text: str, empty: bool = False) -> HistoryEntry:
    return HistoryEntry(created_by=text, empty_layer=empty)


def joined(stack: Stack) -> list[tuple[str, int | None]]:
    return [(row.instruction, row.number) for row in stack.rows]


def test_a_true_history() -> None:
    history = [entry("ADD rootfs /"), entry('CMD ["sh"]', True), entry("RUN make"), entry("ENV A=1", True)]
    stack = image_stack("app", history, layers(10, 20), NO_BASE)
    assert joined(stack) == [("ADD", 0), ("CMD", None), ("RUN", 1), ("ENV", None)]
    assert [row.size for row in stack.rows] == [10, 0, 20, 0]
    assert (stack.added, stack.total, stack.size, stack.notes) == (2, 2, 30, ())


def test_a_base_that_is_known() -> None:
    history = [entry("ADD rootfs /"), entry('CMD ["sh"]', True), entry("ENV A=1", True), entry("RUN make")]
    stack = image_stack("app", history, layers(10, 20), Base("alpine", 1, 10, entries=2))
    assert [row.in_base for row in stack.rows] == [True, True, False, False]
    assert (stack.added, stack.total, stack.size) == (1, 2, 30)


def test_no_history_at_all() -> None:
    stack = image_stack("app", [], layers(1, 2), NO_BASE)
    assert joined(stack) == [("", 0), ("", 1)]
    assert "no history" in stack.notes[0]


def test_an_empty_image() -> None:
    stack = image_stack("app", [], [], NO_BASE)
    assert (stack.rows, stack.total, stack.size, stack.notes) == ((), 0, 0, ())


def test_too_few_entries_belong_to_the_top_layers() -> None:
    stack = image_stack("app", [entry("RUN a"), entry("RUN b")], layers(1, 2, 4), NO_BASE)
    assert joined(stack) == [("", 0), ("RUN", 1), ("RUN", 2)]
    assert "speaks of 2 layers, the image has 3" in stack.notes[0]


def test_config_entries_that_forgot_to_say_so() -> None:
    history = [entry("ADD rootfs /"), entry('/bin/sh -c #(nop)  CMD ["sh"]'), entry("RUN a")]
    stack = image_stack("app", history, layers(1, 2), NO_BASE)
    assert joined(stack) == [("ADD", 0), ("CMD", None), ("RUN", 1)]
    assert stack.rows[1].reason == "changes the config only"


def test_too_many_entries_lose_the_oldest() -> None:
    history = [entry("RUN a"), entry("RUN b"), entry("RUN c")]
    stack = image_stack("app", history, layers(1, 2), NO_BASE)
    assert joined(stack) == [("RUN", None), ("RUN", 0), ("RUN", 1)]
    assert stack.rows[0].reason == "its layer is not in the image"


def test_a_run_that_changed_nothing() -> None:
    stack = image_stack("app", [entry("RUN true", True)], [], NO_BASE)
    assert stack.rows[0].reason == "changed nothing on disk"
    empty = image_stack("app", [entry("RUN true")], [LayerBytes("a", "b", 0, 32, 0)], NO_BASE)
    assert "empty layer" in empty.rows[0].reason


@given(st.lists(st.tuples(st.sampled_from(["RUN a", "CMD b", "?"]), st.booleans()), max_size=8), st.integers(0, 8))
def test_every_layer_is_shown_once_and_in_order(history: list[tuple[str, bool]], count: int) -> None:
    stack = image_stack("app", [entry(*one) for one in history], layers(*range(count)), NO_BASE)
    assert [row.number for row in stack.rows if row.layer] == list(range(count))
    assert sum(1 for row in stack.rows if row.text != "(not in the history)") == len(history)
    assert stack.total == count


def test_what_is_not_known_is_not_added_up() -> None:
    rows = (
        Row(2, "RUN", "RUN a", True, "r", None),
        Row(3, "COPY", "COPY a b", True, "r", 5, True),
        Row(4, "CMD", "CMD x", False, "r", 0),
    )
    known = Stack("", "buildkit", Base("alpine", 1, 10), rows, 2)
    assert (known.total, known.size) == (3, None)
    assert Stack("", "buildkit", Base("alpine", 1, 10), rows[1:], 1).size == 15
    assert Stack("", "buildkit", Base("alpine", None, None), rows[1:], 1).total is None


def test_json_of_a_prediction() -> None:
    rows = (Row(2, "RUN", "RUN a", True, "a RUN makes one layer", None),)
    data = stack_to_json(Stack("app", "buildkit", Base("node:14", 14, 944), rows, 1))
    assert data == {
        "schema": 1,
        "dialect": "buildkit",
        "target": "app",
        "base": {"reference": "node:14", "layers": 14, "size": 944},
        "steps": [
            {
                "line": 2,
                "instruction": "RUN",
                "text": "RUN a",
                "layer": True,
                "reason": "a RUN makes one layer",
                "size": None,
                "measured": False,
                "number": None,
                "compressed": None,
                "in_base": False,
            }
        ],
        "layers": {"base": 14, "added": 1, "total": 15},
        "size": None,
        "notes": [],
    }
