"""Layers put together into one."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from lamella.filetree.entry import DIRECTORY, FILE, OPAQUE, WHITEOUT, Entry
from lamella.filetree.tree import merge_layers
from lamella.image.flatten import flatten

LOWER = [[Entry("a", DIRECTORY), Entry("a/x", FILE, size=1), Entry("b", FILE, size=1)]]

_ENTRIES = st.builds(
    lambda parts, kind, size: Entry("/".join(parts), kind, size=size if kind == FILE else 0),
    st.lists(st.sampled_from("abc"), min_size=1, max_size=3),
    st.sampled_from([FILE, FILE, DIRECTORY, WHITEOUT, OPAQUE]),
    st.integers(0, 3),
)
_STACKS = st.lists(st.lists(_ENTRIES, max_size=6), max_size=3)


@settings(max_examples=300, deadline=None)
@given(_STACKS, _STACKS)
def test_one_layer_does_what_many_did(lower: list[list[Entry]], layers: list[list[Entry]]) -> None:
    one = flatten(lower, layers)
    assert merge_layers([*lower, one]) == merge_layers([*lower, *layers])
    assert len({entry.path for entry in one}) == len(one)


def test_what_comes_and_goes_is_not_kept() -> None:
    assert flatten(LOWER, [[Entry("t", FILE, size=9)], [Entry("t", WHITEOUT)]]) == []


def test_only_the_last_state_is_kept() -> None:
    layers = [[Entry("b", FILE, size=2)], [Entry("b", FILE, size=3)]]
    assert flatten(LOWER, layers) == [Entry("b", FILE, size=3)]


def test_whiteouts_are_of_what_is_below() -> None:
    layers = [[Entry("a/x", WHITEOUT), Entry("a/y", FILE)], [Entry("a", WHITEOUT)]]
    assert flatten(LOWER, layers) == [Entry("a", WHITEOUT)]
    assert flatten([], layers) == []


def test_a_file_made_again_as_it_was_costs_nothing() -> None:
    known, unknown = Entry("b", FILE, size=1, digest="1" * 64), Entry("b", FILE, size=1)
    for file, result in ((known, []), (unknown, [unknown])):
        assert flatten([[file]], [[Entry("b", WHITEOUT)], [file._replace()]]) == result
