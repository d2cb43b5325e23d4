"""An authority for tests, and certificates of it for servers on loopback and for clients, all made by openssl."""

from __future__ import annotations

import subprocess
from pathlib import Path


class Authority:
    """``ca`` is its certificate; keys are not encrypted, and everything ends in two days."""

    def __init__(self, openssl: str, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._openssl = openssl
        self.folder = folder
        self.ca = folder / "ca.crt"
        self._key = folder / "ca.key"
        self._run("req", "-x509", *_EC, "-nodes", "-days", "2", "-subj", "/CN=authority of the tests",
                  "-keyout", str(self._key), "-out", str(self.ca))  # fmt: skip

    def issue(self, name: str, *, usage: str = "serverAuth") -> tuple[Path, Path]:
        """Certificate and key, for localhost, registry.example and 127.0.0.1 where it is a server's."""
        key, request, cert = (self.folder / f"{name}.{kind}" for kind in ("key", "csr", "cert"))
        extensions = self.folder / f"{name}.ext"
        extensions.write_text(
            f"subjectAltName=DNS:localhost,DNS:registry.example,IP:127.0.0.1\nextendedKeyUsage={usage}\n"
        )
        self._run("req", "-new", *_EC, "-nodes", "-subj", f"/CN={name}", "-keyout", str(key), "-out", str(request))
        self._run("x509", "-req", "-in", str(request), "-CA", str(self.ca), "-CAkey", str(self._key), "-days", "2",
                  "-CAcreateserial", "-extfile", str(extensions), "-out", str(cert))  # fmt: skip
        return cert, key

    def _run(self, *words: str) -> None:
        done = subprocess.run([self._openssl, *words], capture_output=True, check=False)
        assert done.returncode == 0, done.stderr.decode()


_EC = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1")
