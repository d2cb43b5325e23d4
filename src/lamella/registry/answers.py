"""The words that registries and token servers put into the bodies of their refusals.

Source: OCI distribution-spec, "Error Codes": ``{"errors": [{"code", "message", "detail"}]}``; RFC 6749 section 5.2:
``{"error", "error_description"}``; Docker Hub's ``{"details"}`` and ``{"message"}``.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from urllib3 import BaseHTTPResponse

_LIMIT = 64 << 10  # bytes
_LINES = 5


def read_words(response: BaseHTTPResponse) -> str:
    """Reads what is left of ``response``, up to a bound, and lets the connection go; "" where it says nothing."""
    from urllib3.exceptions import HTTPError

    try:
        body = response.read(_LIMIT, decode_content=False) or b""
        if len(body) < _LIMIT:
            response.release_conn()
        else:
            response.close()
    except (HTTPError, OSError):
        response.close()
        return ""
    return words_of(body)


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
