"""A registry of the bench's own: Debian's ``docker-registry`` on loopback, plain HTTP."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import time
from types import TracebackType
from typing import Self

from peers import Unavailable, find_program


class Registry:
    """``host`` is ``127.0.0.1:PORT``; it stays the same when the registry is emptied."""

    def __init__(self, folder: str) -> None:
        """``folder`` does not exist yet. Raises Unavailable."""
        self._program = find_program("docker-registry")
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.host = f"127.0.0.1:{free.getsockname()[1]}"

    def __enter__(self) -> Self:
        self._start()
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, at: TracebackType | None) -> None:
        self._stop()

    def empty(self) -> None:
        """Forgets everything, what it remembers in memory too."""
        self._stop()
        self._start()

    def _start(self) -> None:
        os.makedirs(self._folder)
        config = {
            "version": "0.1",
            "log": {"level": "warn", "accesslog": {"disabled": True}},
            "storage": {"filesystem": {"rootdirectory": f"{self._folder}/data"}},
            "http": {"addr": self.host, "secret": "of the bench"},
        }
        with open(f"{self._folder}/config.yml", "w", encoding="utf-8") as file:
            json.dump(config, file)
        with open(f"{self._folder}/log", "wb") as log:
            self._process = subprocess.Popen(
                [self._program, "serve", f"{self._folder}/config.yml"], stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        deadline = time.monotonic() + 20
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                with open(f"{self._folder}/log", encoding="utf-8", errors="replace") as said:
                    raise Unavailable("docker-registry did not start:\n" + said.read()[-500:])
            time.sleep(0.02)

    def _answers(self) -> bool:
        name, _, port = self.host.partition(":")
        try:
            socket.create_connection((name, int(port)), 1).close()
        except OSError:
            return False
        return True

    def _stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
        shutil.rmtree(self._folder, ignore_errors=True)
