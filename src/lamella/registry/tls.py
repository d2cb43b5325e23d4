"""TLS as a client of registries: whom we trust, and who we are.

The authorities of this machine are trusted (SSL_CERT_FILE and SSL_CERT_DIR name others), and beside them those of the
registry's folder: ``*.crt``. A pair ``NAME.cert`` and ``NAME.key`` in it is shown to a registry that asks for it.

Source: containers-certs.d(5); Docker, "Verify repository client with certificates".
"""

from __future__ import annotations

import os
import ssl

from lamella.errors import InputError
from lamella.registry.conffiles import certs_folders


def client_context(host: str, cert_dir: str | None, *, verify: bool) -> ssl.SSLContext:
    """For ``host`` (``name[:port]``); ``cert_dir`` stands for the configured folders. ``verify`` off trusts everybody.
    Raises InputError for a certificate that cannot be read."""
    context = ssl.create_default_context() if verify else blind_context()
    if cert_dir is not None and not os.path.isdir(cert_dir):
        raise InputError("there is no such folder", where=cert_dir, hint="--cert-dir names the folder of ca.crt")
    folders = [cert_dir] if cert_dir is not None else certs_folders(host, os.environ)
    for folder in folders:
        try:
            names = sorted(os.listdir(folder))
        except OSError as error:
            if isinstance(error, FileNotFoundError):
                continue
            raise InputError(f"cannot be read: {error.strerror}", where=folder) from None
        _load(context, folder, names)
        break
    return context


def _load(context: ssl.SSLContext, folder: str, names: list[str]) -> None:
    for name in names:
        path = os.path.join(folder, name)
        stem, _, kind = name.rpartition(".")
        try:
            if kind == "crt":
                context.load_verify_locations(path)
            elif kind == "cert":
                if f"{stem}.key" not in names:
                    raise InputError(f"a client certificate without its key {stem}.key", where=path)
                context.load_cert_chain(path, os.path.join(folder, f"{stem}.key"), password=_no_password)
            elif kind == "key" and f"{stem}.cert" not in names:
                hint = "client certificates end in .cert, and .crt are those of authorities"
                raise InputError(f"a client key without its certificate {stem}.cert", where=path, hint=hint)
        except (OSError, ValueError) as error:
            text = getattr(error, "reason", None) or getattr(error, "strerror", None) or error
            raise InputError(f"a certificate or key that cannot be used: {text}", where=path) from None


def _no_password() -> str:
    raise ValueError("the key is encrypted")


def blind_context() -> ssl.SSLContext:
    """Trusts everybody, and has urllib3 not complain of it: somebody asked for it."""
    import urllib3

    urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
