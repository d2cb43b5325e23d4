"""``image squash`` and ``image rebase``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

Lamella = Callable[..., Any]
PutImage = Callable[..., None]

LAYERS = [{"base": b"0"}, {"a": b"1" * 5000, "b": b"2"}, {"a": None}, {"b": b"3", "c": b"4"}]
HISTORY = ["base", "COPY a b", "-ENV A=1", "RUN rm a", "RUN make"]


def layers(lamella: Lamella, name: str) -> list[tuple[str, int]]:
    rows = lamella("history", "--format", "json", name).json["history"]
    return [(row["created_by"], row["size"]) for row in reversed(rows) if not row["empty_layer"]]


def test_squash_above_the_base(lamella: Lamella, put_image: PutImage) -> None:
    put_image("base", LAYERS[:1], HISTORY[:1])
    put_image("app", LAYERS, HISTORY)
    done = lamella("image", "squash", "app", "-t", "small")
    assert (done.code, done.err) == (0, "1 layer below stays; layers 4 -> 2, bytes 5kB -> 3B\n")
    assert layers(lamella, "small") == [("base", 1), ("RUN make", 2)]
    assert lamella("prove", "app", "small").code == 0
    assert "its files are in the layer of a later instruction" in " ".join(lamella("explain", "small").out.split())


def test_squash_a_range(lamella: Lamella, put_image: PutImage) -> None:
    put_image("app", LAYERS, HISTORY)
    assert lamella("image", "squash", "app", "--from", "1", "--to", "2", "-t", "small").code == 0
    assert layers(lamella, "small") == [("base", 1), ("COPY a b", 1), ("RUN make", 2)]
    assert lamella("prove", "app", "small").code == 0
    assert lamella("image", "squash", "app", "--from", "0", "-t", "one").code == 0
    assert layers(lamella, "one") == [("RUN make", 3)]
    assert lamella("prove", "app", "one").code == 0


def test_squash_where_nothing_is_left(lamella: Lamella, put_image: PutImage) -> None:
    put_image("app", [{"base": b"0"}, {"a": b"1"}, {"a": None}], ["base", "COPY a", "RUN rm a"])
    assert lamella("image", "squash", "app", "--from", "1", "-t", "small").code == 0
    assert layers(lamella, "small") == [("base", 1)]
    assert lamella("prove", "app", "small").code == 0


def test_squash_where_the_history_does_not_fit(lamella: Lamella, put_image: PutImage) -> None:
    for name, history in (("none", []), ("short", ["one"]), ("long", ["1", "2", "3", "4", "5", "6"])):
        put_image(name, LAYERS, history)
        assert lamella("image", "squash", name, "--from", "1", "-t", f"{name}:small").code == 0
        assert len(layers(lamella, f"{name}:small")) == 2
        assert lamella("prove", name, f"{name}:small").code == 0
    assert lamella("verify").code == 0


def test_squash_of_an_archive_leaves_the_archives_image_nowhere(
    lamella: Lamella, put_image: PutImage, tmp_path: Path
) -> None:
    put_image("app", LAYERS, HISTORY)
    archive = str(tmp_path / "app.tar")
    assert lamella("save", "-o", archive, "app").code == 0
    assert lamella("rmi", "app").code == 0
    assert lamella("image", "squash", archive, "--from", "1", "-t", "small").code == 0
    assert [row["tag"] for row in lamella("images", "-a", "--format", "json").json["images"]] == ["latest"]
    assert lamella("prove", archive, "small").code == 0


def test_squash_says_what_is_wrong(lamella: Lamella, put_image: PutImage) -> None:
    put_image("app", LAYERS, HISTORY)
    for words, says in (
        (("app",), "nothing tells which base app stands on"),
        (("app", "--from", "4"), "there are no layers 4 to 3 in an image of 4"),
        (("app", "--from", "-1"), "there are no layers"),
        (("app", "--from", "2", "--to", "1"), "there are no layers 2 to 1"),
        (("nothing", "--from", "1"), "nothing"),
    ):
        done = lamella("image", "squash", *words)
        assert (done.code, says in done.err) == (2, True), done.err
        assert "hint: " in done.err


def test_rebase(lamella: Lamella, put_image: PutImage) -> None:
    put_image("old", [{"etc": b"1", "os": b"1"}], ["old"])
    put_image("new", [{"etc": b"2", "os": b"2"}, {"extra": b"3"}], ["new", "more"])
    put_image("app", [{"etc": b"1", "os": b"1"}, {"app": b"4", "etc": b"5"}], ["old", "COPY app"])
    done = lamella("image", "rebase", "app", "--onto", "new", "-t", "app:moved")
    assert done.code == 0
    assert done.err.splitlines() == [
        "warning: /etc differs in the new base, and the image's own file, made for the old one, hides it",
        "layers 2 -> 3, bytes 4B -> 5B",
    ]
    assert [text for text, _ in layers(lamella, "app:moved")] == ["new", "more", "COPY app"]
    assert lamella("verify").code == 0
    assert lamella("image", "rebase", "app:moved", "--base", "new", "--onto", "old", "-t", "back").code == 0
    assert lamella("prove", "app", "back").code == 0


def test_rebase_says_what_is_wrong(lamella: Lamella, put_image: PutImage) -> None:
    put_image("new", [{"new": b"2"}], ["new"])
    put_image("app", [{"old": b"1"}, {"app": b"4"}], ["old", "COPY app"])
    done = lamella("image", "rebase", "app", "--onto", "new")
    assert (done.code, "nothing tells which base app stands on" in done.err) == (2, True)
    done = lamella("image", "rebase", "app", "--base", "new", "--onto", "new")
    assert (done.code, "does not stand on this base" in done.err) == (2, True)
    assert lamella("image", "rebase", "app").code == 2
