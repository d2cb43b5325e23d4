"""Every error the user can meet.

    LamellaError
    ├── UsageError            2  the command line's words are off
    ├── InputError            2  something that was given is wrong
    │   ├── DockerfileError      … a Dockerfile, always with file:line
    │   ├── ContextError         … the build context or an ignore file
    │   ├── ReferenceError_      … a name that is no image reference
    │   ├── NotFound             … a name or ID that the store does not hold
    │   ├── ImageInvalid         … an image, archive, layer or digest that is broken or hostile
    │   └── NotSupported         … understood, and not done by this version
    ├── AnswerNo              1  the work was done and its answer is no
    │   └── StepFailed           … a RUN step exited with a status other than zero
    ├── MachineError          3  this machine cannot
    │   ├── NoRuntime            … no OCI runtime was found
    │   ├── NoPrivilege          … root or a namespace is needed
    │   ├── NoSpace              … the disk is full
    │   ├── StoreDamaged         … the local store does not hold what it says it holds
    │   └── RegistryError        … a registry fails, or answers what makes no sense
    │       ├── RegistryUnreachable  … it cannot be reached, is not who it says it is, or breaks off each time
    │       └── RegistryDenied       … it refuses: no credentials, wrong ones, or not enough rights
    └── Interrupted         130  the user pressed Ctrl-C

Each carries a stable ``code`` (a word a script can match), where it happened, why, and a hint on what to do next.
"""

from __future__ import annotations


class LamellaError(Exception):
    """Base of all errors shown to a user.

    ``message`` says what is wrong, in one sentence without a full stop; ``where`` is ``file:line``, a digest or a
    path; ``hint`` is what to do next; ``detail`` may hold further lines (for example the tail of a command's output).
    """

    code = "error"
    exit_code = 2

    def __init__(
        self,
        message: str,
        *,
        where: str | None = None,
        hint: str | None = None,
        detail: str | None = None,
        code: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.where = where
        self.hint = hint
        self.detail = detail
        if code is not None:
            self.code = code

    def __str__(self) -> str:
        return f"{self.where}: {self.message}" if self.where else self.message

    def at(self, where: str) -> None:
        """Says that the instruction at ``where`` (``file:line``) met it; the path or digest that it named moves to the
        detail. One that names a line of the same file already keeps it."""
        file = where.rpartition(":")[0]
        if self.where is not None and self.where.rpartition(":")[0] == file:
            return
        if self.where:
            self.detail = f"{self.where}\n{self.detail}" if self.detail else self.where
        self.where = where


class UsageError(LamellaError):
    code = "usage"


class InputError(LamellaError):
    code = "input"


class DockerfileError(InputError):
    """A Dockerfile that cannot be read or built; ``where`` is always ``file:line``."""

    code = "dockerfile"


class ContextError(InputError):
    code = "context"


class ReferenceError_(InputError):
    code = "reference"


class NotFound(InputError):
    code = "not-found"


class ImageInvalid(InputError):
    code = "image-invalid"


class NotSupported(InputError):
    code = "not-supported"


class AnswerNo(LamellaError):
    code = "no"
    exit_code = 1


class StepFailed(AnswerNo):
    code = "step-failed"


class MachineError(LamellaError):
    code = "machine"
    exit_code = 3


class NoRuntime(MachineError):
    code = "no-runtime"


class NoPrivilege(MachineError):
    code = "no-privilege"


class NoSpace(MachineError):
    code = "no-space"


class StoreDamaged(MachineError):
    code = "store-damaged"


class RegistryError(MachineError):
    code = "registry"


class RegistryUnreachable(RegistryError):
    code = "registry-unreachable"


class RegistryDenied(RegistryError):
    code = "registry-denied"


class Interrupted(LamellaError):
    code = "interrupted"
    exit_code = 130
