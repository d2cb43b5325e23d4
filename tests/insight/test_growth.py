"""What layers add, write again and lose; the largest files."""

from __future__ import annotations

from hypothesis import given, reject
from hypothesis import strategies as st

from lamella.errors import ImageInvalid
from lamella.filetree.entry import DIRECTORY, FILE, HARDLINK, OPAQUE, SYMLINK, WHITEOUT, Entry
from lamella.insight.attribution import attribute_layers
from lamella.insight.growth import LargeFile, LayerGrowth, measure_growth


def f(path: str, size: int, mode: int = 0o644) -> Entry:
    return Entry(path, FILE, mode, size=size, digest=f"{size:064x}")


def test_written_again_copied_up_and_deleted() -> None:
    growth = measure_growth(
        [
            [f("base", 100), f("kept", 7)],
            [f("big", 50), f("conf", 3)],
            [f("base", 90), f("conf", 3, mode=0o600), Entry("big", WHITEOUT)],
        ],
        base=1,
    )
    assert growth.layers == (LayerGrowth(107, 0, 0), LayerGrowth(53, 0, 50), LayerGrowth(93, 103, 0))
    assert growth.largest == (LargeFile("/base", 90, 2), LargeFile("/kept", 7, 0), LargeFile("/conf", 3, 2))


def test_what_the_base_hides_of_itself_does_not_count() -> None:
    layers = [[f("a", 100), f("b", 10)], [Entry("a", WHITEOUT)], [Entry("b", WHITEOUT)]]
    assert measure_growth(layers, base=2).layers == (LayerGrowth(110, 0, 10), LayerGrowth(0, 0, 0))
    assert measure_growth(layers).layers[1] == LayerGrowth(110, 0, 110)


def test_nothing_at_all() -> None:
    assert measure_growth([]) == ((LayerGrowth(0, 0, 0),), ())


def test_five_files_are_named_and_empty_ones_are_not() -> None:
    layers = [[f(name, size) for size, name in enumerate("abcdefg")], [f("z", 0)]]
    assert [(file.path, file.bytes) for file in measure_growth(layers).largest] == [
        ("/g", 6),
        ("/f", 5),
        ("/e", 4),
        ("/d", 3),
        ("/c", 2),
    ]


def test_a_link_among_the_parents_is_followed() -> None:
    """The file behind the link is written again, though no path is there twice."""
    layers = [[Entry("real", DIRECTORY), f("real/x", 5), Entry("link", SYMLINK, link="real")], [f("link/x", 6)]]
    assert measure_growth(layers).layers[2] == LayerGrowth(6, 5, 0)


_PATHS = st.sampled_from(["a", "b", "d", "d/a", "d/b", "d/e/a", "l/a", "l"])
_ENTRIES = st.one_of(
    st.builds(f, _PATHS, st.integers(0, 9), st.sampled_from([0o644, 0o600])),
    st.builds(lambda path: Entry(path, DIRECTORY), st.sampled_from(["d", "d/e", "l"])),
    st.builds(lambda path, link: Entry(path, SYMLINK, link=link), st.sampled_from(["l", "b"]), _PATHS),
    st.builds(lambda path, link: Entry(path, HARDLINK, link=link), _PATHS, _PATHS),
    st.builds(lambda path: Entry(path, WHITEOUT), _PATHS),
    st.builds(lambda path: Entry(path, OPAQUE), st.just("d")),
)


@given(st.lists(st.lists(_ENTRIES, max_size=3), max_size=4))
def test_the_short_way_and_the_long_way_come_to_the_same(layers: list[list[Entry]]) -> None:
    try:
        attribution = attribute_layers(layers)
        growth = measure_growth(layers)
    except ImageInvalid:
        reject()
    lost = sum(loss.bytes for loss in attribution.losses)
    again = sum(loss.bytes for loss in attribution.losses if loss.why in ("overwritten", "metadata"))
    assert sum(one.overwritten for one in growth.layers) == again
    assert sum(one.overwritten + one.deleted_later for one in growth.layers) == lost
    left = sorted((entry.size for _, entry in attribution.files if entry.size), reverse=True)
    assert [file.bytes for file in growth.largest] == left[:5]
    assert sum(one.added for one in growth.layers) - lost == sum(left)
