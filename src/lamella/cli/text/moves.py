"""Pulls and pushes in words: a line for each blob that is through, one now and then for those that take long."""

from __future__ import annotations

import time

from lamella.cli.text.docker import human_size
from lamella.events import BlobMoved, Transferred

#: seconds between two lines of one blob
_PATIENCE = 10.0
LAST = {"done": "done", "present": "is there already", "mounted": "mounted from another repository"}


class PlainMoves:
    """Lines of a log. ``lines`` is called with one event after the other."""

    def __init__(self) -> None:
        self._told: dict[str, float] = {}

    def lines(self, event: BlobMoved | Transferred) -> list[str]:
        if isinstance(event, Transferred):
            self._told.clear()
            return [summary(event)]
        blob, state, done, total = event
        now = time.monotonic()
        if state in LAST:
            self._told.pop(blob, None)
            return [f"{short(blob)}: {LAST[state]} {human_size(total)}"]
        if state == "waiting" or now - self._told.setdefault(blob, now) < _PATIENCE:
            return []
        self._told[blob] = now
        return [f"{short(blob)}: {state} {human_size(done)} of {human_size(total)}"]


def short(blob: str) -> str:
    return blob.partition(":")[2][:12] or blob


def summary(event: Transferred) -> str:
    """``pulled alpine:3.20 in 0.8s: fetched 3.6MB in 2 blobs, spared 12MB (1 was here)``."""
    pulled = event.what == "pulled"
    verb, place = ("fetched", "here") if pulled else ("sent", "there")
    text = f"{event.what} {event.reference} in {event.seconds:.1f}s: "
    if event.blobs:
        text += f"{verb} {human_size(event.bytes)} in {event.blobs} blob{'s' * (event.blobs != 1)}"
    else:
        text += f"nothing had to be {verb}"
    if event.present or event.mounted:
        why = [f"{event.present} {'was' if event.present == 1 else 'were'} {place}"] if event.present else []
        why += [f"{event.mounted} mounted"] if event.mounted else []
        text += f", spared {human_size(event.spared)} ({', '.join(why)})"
    return text
