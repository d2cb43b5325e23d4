"""Cache keys: what of a step decides its result, as bytes, and the digest over it and what it stands on.

Line numbers, display text, history text, the config and proxy settings do not change the file system and stay out;
so do secrets, of which a step knows only the names.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

from lamella.plan.step import Step

#: raised when the meaning of a definition changes, so that older caches are not believed
_VERSION = 1
_LEFT_OUT = frozenset({"info", "config", "proxy_env"})


def step_definition(step: Step) -> bytes:
    """Canonical bytes of everything that decides the step's result, but for file contents and the layers below."""
    return json.dumps([_VERSION, type(step).__name__, _fields(step)], sort_keys=True, separators=(",", ":")).encode()


def cache_key(parent: str, definition: bytes, contents: str = "") -> str:
    """64 hex digits. ``parent`` is the chain ID below ("" for none); without ``contents`` it is the key's prefix."""
    parts = (parent.encode(), definition, contents.encode())
    return hashlib.sha256(b"".join(b"%d:%s" % (len(part), part) for part in parts)).hexdigest()


def _fields(value: Any) -> dict[str, Any]:
    return {name: _plain(field) for name, field in value._asdict().items() if name not in _LEFT_OUT}


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.hex()
    if hasattr(value, "_asdict"):
        return {"": type(value).__name__, **_fields(value)}
    return [_plain(item) for item in value] if isinstance(value, tuple) else value
