"""/etc/subuid, and the map that is made of it."""

from __future__ import annotations

import pytest

from lamella.userns.standing import MAPPED, SINGLE, Range, Standing
from lamella.userns.subids import lay_out, parse_ranges


@pytest.mark.parametrize(
    ("text", "ranges"),
    [
        ("me:100000:65536\n", ((100000, 65536),)),
        ("you:100000:65536\nme:165536:65536\n", ((165536, 65536),)),
        ("1001:200000:10\nme:100000:20\n", ((200000, 10), (100000, 20))),  # by number, too; in their order
        ("me:100000:20\nme:100010:20\nme:100020:5", ((100000, 20), (100020, 5))),  # what overlaps comes once
        ("me:100000\nme:x:5\nme:5:0\nme:4294967290:10\n#me:1:2\nme:-5:3\n\nme: 7:3", ()),
        ("meme:1:1\nme2:1:1\n1001x:5:5", ()),
        ("", ()),
    ],
)
def test_ranges(text: str, ranges: tuple[tuple[int, int], ...]) -> None:
    assert parse_ranges(text, "me", 1001) == ranges


def test_no_more_lines_than_the_kernel_takes() -> None:
    many = "".join(f"me:{number * 10}:5\n" for number in range(1, 500))
    assert len(lay_out(1001, parse_ranges(many, "me", 1001))) <= 340


def test_the_map_begins_with_the_user() -> None:
    assert lay_out(1001, [(100000, 10), (200000, 5)]) == (
        Range(0, 1001, 1),
        Range(1, 100000, 10),
        Range(11, 200000, 5),
    )
    # No id outside stands for two inside: the kernel would refuse it all.
    assert lay_out(1001, [(1000, 10), (200000, 5)]) == (Range(0, 1001, 1), Range(1, 200000, 5))


def test_ids_of_a_namespace() -> None:
    mapped = Standing(MAPPED, (Range(0, 1001, 1), Range(1, 100000, 10)), (Range(0, 1001, 1), Range(1, 100000, 5)))
    assert (mapped.ids, mapped.in_namespace, mapped.privileged) == (11, True, True)
    assert mapped.has(10, 5) and not mapped.has(11, 0) and not mapped.has(0, 6)
    assert not Standing(SINGLE, (Range(0, 1001, 1),), (Range(0, 1001, 1),)).has(0, 1)
    assert Standing("root").has(4_000_000_000, 5) and Standing("plain").has(7, 7)
