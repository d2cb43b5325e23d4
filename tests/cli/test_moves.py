"""How pulls and pushes are shown: live on a terminal, by a few lines elsewhere, as JSON."""

from __future__ import annotations

import io
import json
import re
import time

import pytest

from lamella.cli.live import LiveProgress
from lamella.cli.progress import JsonProgress, PlainProgress
from lamella.cli.text import moves
from lamella.cli.text.moves import summary
from lamella.events import BlobMoved, Event, Note, Transferred

A, B = "sha256:" + "a" * 64, "sha256:" + "b" * 64
DONE = Transferred("pulled", "app:1", A, 3_600_000, 2, 12_000_000, 1, 0, 0.84, True)
EVENTS: list[Event] = [
    BlobMoved(A, "waiting", 0, 1000),
    BlobMoved(B, "present", 500, 500),
    *(BlobMoved(A, "downloading", done, 1000) for done in range(0, 1001, 10)),
    *(BlobMoved(A, "unpacking", done, 1000) for done in range(0, 1001, 10)),
    BlobMoved(A, "done", 1000, 1000),
    DONE,
]


def test_plain_lines_are_few() -> None:
    stream = io.StringIO()
    shown = PlainProgress(stream)
    for event in EVENTS:
        shown.emit(event)
    assert stream.getvalue().splitlines() == [
        "bbbbbbbbbbbb: is there already 500B",
        "aaaaaaaaaaaa: done 1kB",
        "pulled app:1 in 0.8s: fetched 3.6MB in 2 blobs, spared 12MB (1 was here)",
    ]


def test_what_takes_long_is_told_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(moves.time, "monotonic", lambda: now)
    stream = io.StringIO()
    shown = PlainProgress(stream)
    for second in range(25):
        now = 100.0 + second
        shown.emit(BlobMoved(A, "uploading", second * 10, 250))
    assert stream.getvalue().splitlines() == [
        "aaaaaaaaaaaa: uploading 100B of 250B",
        "aaaaaaaaaaaa: uploading 200B of 250B",
    ]


def test_summaries() -> None:
    assert summary(DONE._replace(bytes=0, blobs=0, present=2)) == (
        "pulled app:1 in 0.8s: nothing had to be fetched, spared 12MB (2 were here)"
    )
    pushed = DONE._replace(what="pushed", blobs=1, present=0, mounted=3)
    assert summary(pushed) == "pushed app:1 in 0.8s: sent 3.6MB in 1 blob, spared 12MB (3 mounted)"
    assert summary(pushed._replace(mounted=0)) == "pushed app:1 in 0.8s: sent 3.6MB in 1 blob"


def test_json_lines_are_few_and_whole() -> None:
    stream = io.StringIO()
    shown = JsonProgress(stream)
    for event in EVENTS:
        shown.emit(event)
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [(line["event"], line.get("state")) for line in lines] == [
        ("blob_moved", "waiting"),
        ("blob_moved", "present"),
        ("blob_moved", "downloading"),
        ("blob_moved", "unpacking"),
        ("blob_moved", "done"),
        ("transferred", None),
    ]
    assert lines[-1]["spared"] == 12_000_000


def test_a_live_display_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    stream = io.StringIO()
    shown = LiveProgress(stream)
    shown.emit(BlobMoved(A, "downloading", 0, 1_000_000))
    shown.emit(BlobMoved(A, "unpacking", 10, 1_000_000))
    shown.emit(BlobMoved(B, "waiting", 0, 500))
    deadline = time.monotonic() + 10
    while "blobs done" not in stream.getvalue() and time.monotonic() < deadline:
        time.sleep(0.01)
    shown.emit(BlobMoved(A, "downloading", 500_000, 1_000_000))
    while "[##########" not in stream.getvalue() and time.monotonic() < deadline:
        time.sleep(0.01)
    shown.emit(Note("info", "in between"))
    shown.emit(DONE)
    shown.close()
    text = stream.getvalue()
    assert "unpacking" not in text, "what is still coming is shown as coming"
    assert "aaaaaaaaaaaa downloading [##########          ] 500kB of" in text
    assert re.search(r"0 of 2 blobs done, 1 waiting, .*left", text)
    assert screen(text) == ["info: in between", summary(DONE)]
    assert all(len(line) < 60 for line in re.split(r"\n|\x1b\[[0-9]*[AJ]|\r", text) if "blobs done" in line)


def screen(text: str) -> list[str]:
    """What a terminal shows in the end."""
    lines = [""]
    for part in re.split(r"(\n|\x1b\[\d+A\r\x1b\[J)", text):
        if part == "\n":
            lines.append("")
        elif part.startswith("\x1b"):
            up = int(part[2 : part.index("A")])
            del lines[len(lines) - 1 - up :]
            lines.append("")
        else:
            lines[-1] += part
    return lines[:-1]
