"""The one root of every error that Mithaq raises on purpose."""

from typing import ClassVar


class Error(Exception):
    """Carry a stable code, a public sentence and private details.

    `message` is an English message id with `%(name)s` placeholders, so that a face can translate it; `subject`
    names the object the error is about; `private` goes to the operator's log alone.
    """

    code: ClassVar[str] = "error"

    def __init__(self, message: str, /, *, subject: str = "", private: str = "", **params: str | int) -> None:
        self.message = message
        self.subject = subject
        self.private = private
        self.params = params
        super().__init__(message)

    def __str__(self) -> str:
        sentence = self.message % self.params if self.params else self.message
        return f"{self.subject}: {sentence}" if self.subject else sentence
