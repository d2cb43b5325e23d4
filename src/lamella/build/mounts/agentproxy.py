"""An SSH agent's socket that lists keys and signs, and refuses everything else.

Source: the SSH agent protocol (draft-ietf-sshm-ssh-agent): a message is its length in four bytes and its type in one.
"""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_ALLOWED = frozenset((11, 13))  # SSH_AGENTC_REQUEST_IDENTITIES, SSH_AGENTC_SIGN_REQUEST
_FAILURE = b"\0\0\0\x01\x05"  # SSH_AGENT_FAILURE
_LONGEST = 256 << 10  # bytes; as OpenSSH's agent
_MOST = 64  # connections at a time: a step must not use up our descriptors, which are the whole build's


@contextmanager
def agent_proxy(agent: str, place: str) -> Iterator[None]:
    """A socket at ``place`` whose connections are each answered by a connection to the socket ``agent``. Gone when the
    block ends, with its connections."""
    folder, name = os.path.split(place)
    listener = socket.socket(socket.AF_UNIX)
    directory = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    open_now: set[socket.socket] = set()
    try:
        listener.bind(f"/proc/self/fd/{directory}/{name}")  # a socket's path has at most 107 bytes
        listener.listen()
        thread = threading.Thread(target=_accept, args=(listener, agent, open_now), name="ssh agent", daemon=True)
        thread.start()
        yield
    finally:
        # Closing alone would not wake the thread that waits for the next connection.
        _shut(listener)
        for connection in list(open_now):
            _shut(connection)
        listener.close()
        os.close(directory)
        if os.path.lexists(place):
            os.unlink(place)


def _shut(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass


def _accept(listener: socket.socket, agent: str, open_now: set[socket.socket]) -> None:
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        if len(open_now) >= _MOST:
            connection.close()
            continue
        open_now.add(connection)
        threading.Thread(target=_serve, args=(connection, agent, open_now), name="ssh client", daemon=True).start()


def _serve(client: socket.socket, agent: str, open_now: set[socket.socket]) -> None:
    """Until either side has enough, or the client says what is no message."""
    try:
        with client, socket.socket(socket.AF_UNIX) as server:
            server.connect(agent)
            while (message := _read_message(client)) is not None:
                if message[4] not in _ALLOWED:
                    client.sendall(_FAILURE)
                    continue
                server.sendall(message)
                answer = _read_message(server)
                if answer is None:
                    return
                client.sendall(answer)
    except OSError:
        return
    finally:
        open_now.discard(client)


def _read_message(connection: socket.socket) -> bytes | None:
    """With its length; None at the end, or where the length is none that an agent takes."""
    head = _read(connection, 4)
    length = int.from_bytes(head, "big") if head is not None else 0
    if head is None or not 0 < length <= _LONGEST:
        return None
    body = _read(connection, length)
    return None if body is None else head + body


def _read(connection: socket.socket, count: int) -> bytes | None:
    data = bytearray()
    while len(data) < count:
        more = connection.recv(count - len(data))
        if not more:
            return None
        data += more
    return bytes(data)
