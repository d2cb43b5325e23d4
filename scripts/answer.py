"""Runs an image as a container with a published port, and asks it over HTTP. Needs root and runc."""

from __future__ import annotations

import time
import urllib.error
import urllib.request

from terminal import DemoFailed, lamella_json, quietly

_PATIENCE = 10.0  # seconds until somebody has to listen


def http_answer(image: str, port: int) -> str:
    """What the image answers to ``GET /`` on its ``port``. Raises DemoFailed."""
    container = quietly("run", "-d", "-p", f"127.0.0.1::{port}", image).strip()
    try:
        found = next(one for one in lamella_json("ps", "--format", "json")["containers"] if one["id"] == container)
        return _ask(f"http://127.0.0.1:{found['ports'][0]['host']}/")
    except StopIteration:
        raise DemoFailed(f"{image} ended at once: {quietly('logs', container)}") from None
    finally:
        quietly("rm", "--force", container)


def _ask(url: str) -> str:
    deadline = time.monotonic() + _PATIENCE
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    while True:
        try:
            with opener.open(url, timeout=2) as answer:
                return str(answer.read().decode()).strip()
        except (OSError, urllib.error.URLError) as error:
            if time.monotonic() > deadline:
                raise DemoFailed(f"no answer from {url}: {error}") from None
            time.sleep(0.05)
