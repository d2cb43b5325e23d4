"""Small answers of registries and token servers: read whole, in bounds, and the words of their refusals.

Source: OCI distribution-spec, "Error Codes": ``{"errors": [{"code", "message", "detail"}]}``; RFC 6749 section 5.2:
``{"error", "error_description"}``; Docker Hub's ``{"details"}`` and ``{"message"}``.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

from lamella.errors import Interrupted
from lamella.remote.waiting import never, stopped_by

if TYPE_CHECKING:
    from urllib3 import BaseHTTPResponse

_LIMIT = 64 << 10  # bytes
_LINES = 5
_PIECE = 1 << 16
#: a server that drips its answer would hold us for ever
_SECONDS = 300.0
_MOST_DIGITS = 18


def read_body(response: BaseHTTPResponse, limit: int, cancelled: Callable[[], bool] = never) -> bytes:
    """What is left of ``response``, at most ``limit`` bytes of it, and lets the connection go. Raises HTTPError,
    OSError (where it takes too long, too) and Interrupted; the connection is closed then."""
    parts: list[bytes] = []
    size, end = 0, time.monotonic() + _SECONDS
    try:
        with nullcontext() if response.length_remaining == 0 else stopped_by(cancelled, response):
            while size < limit and (data := response.read1(min(_PIECE, limit - size), decode_content=False)):
                parts.append(data)
                size += len(data)
                if time.monotonic() > end:
                    raise TimeoutError("its answer does not come to an end")
    except BaseException:
        response.close()
        if cancelled():
            raise Interrupted("the transfer was cancelled") from None
        raise
    if size < limit and not cancelled():
        response.release_conn()
    else:
        response.close()
    if cancelled():  # what looks like the end may be that
        raise Interrupted("the transfer was cancelled")
    return b"".join(parts)


def read_words(response: BaseHTTPResponse, cancelled: Callable[[], bool] = never) -> str:
    """Reads what is left of ``response``, up to a bound, and lets the connection go; "" where it says nothing."""
    from urllib3.exceptions import HTTPError

    try:
        return words_of(read_body(response, _LIMIT, cancelled))
    except (HTTPError, OSError):
        return ""


def number_of(digits: str) -> int | None:
    """Of a header; None where it is no number that anything here could have."""
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) <= _MOST_DIGITS else None


def words_of(body: bytes) -> str:
    """``denied: requested access to the resource is denied``, one line an error."""
    try:
        data = json.loads(body)
    except (ValueError, RecursionError):
        return ""
    if not isinstance(data, dict):
        return ""
    errors = data.get("errors")
    if isinstance(errors, list):
        lines = [_line(error) for error in errors[:_LINES] if isinstance(error, dict)]
        return "\n".join(line for line in lines if line)
    if isinstance(data.get("error"), str):
        return _joined(data["error"], data.get("error_description"))
    return next((data[key] for key in ("details", "message", "detail") if isinstance(data.get(key), str)), "")


def _line(error: dict[str, Any]) -> str:
    code = str(error.get("code") or "").lower().replace("_", " ")
    detail = error.get("detail")
    line = _joined(code, error.get("message"))
    if isinstance(detail, str) and detail:
        line += f" ({detail})"
    return line


def _joined(code: str, message: object) -> str:
    return f"{code}: {message}" if isinstance(message, str) and message else code
