"""What a container's monitor and the command that started it tell each other: JSON objects, one a packet.

From the monitor: ``started``, ``error`` (it did not start), ``exit`` (its status; everything is tidied up). To the
monitor: ``signal`` (a number), ``size`` (rows and columns), ``kill``. The end of one side tells the other one, too.
"""

from __future__ import annotations

import json
import socket
from typing import Any

from lamella.errors import LamellaError

_LARGEST = 1 << 16
_DETAIL = 8000


class Channel:
    """One side. Threads may share it."""

    def __init__(self, end: socket.socket) -> None:
        self._end = end

    def send(self, **message: Any) -> None:
        """Does nothing where nobody listens any more."""
        try:
            self._end.send(json.dumps(message).encode())
        except OSError:
            pass

    def send_error(self, error: LamellaError) -> None:
        fields = {name: getattr(error, name) for name in ("message", "where", "hint", "detail", "code", "exit_code")}
        fields["detail"] = (fields["detail"] or "")[-_DETAIL:] or None
        self.send(error=fields)

    def receive(self) -> dict[str, Any] | None:
        """The next message; None where the other side is gone."""
        try:
            packet = self._end.recv(_LARGEST)
            message = json.loads(packet) if packet else None
        except (OSError, ValueError):
            return None
        return message if isinstance(message, dict) else None

    def fileno(self) -> int:
        return self._end.fileno()

    def release(self) -> None:
        """Closes this process's copy; the side itself goes on in another one."""
        self._end.close()

    def close(self) -> None:
        """Ends a ``receive`` that waits, too."""
        try:
            self._end.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self._end.close()


def channels() -> tuple[Channel, Channel]:
    one, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    return Channel(one), Channel(other)


def error_from(fields: dict[str, Any]) -> LamellaError:
    """The error that ``send_error`` was given, for its message's sake: its class is LamellaError."""
    error = LamellaError(
        fields["message"], where=fields["where"], hint=fields["hint"], detail=fields["detail"], code=fields["code"]
    )
    error.exit_code = fields["exit_code"]
    return error
