"""What can go wrong with people, links, passkeys and tokens."""

from typing import Any

from mithaq.kernel.errors import Error
from mithaq.kernel.reason import Reason


class NotPermitted(Error):
    """An actor asked for something that none of its roles or scopes allows."""

    code = "not-permitted"


class LinkRefused(Error):
    """A one-time link that is unknown, used or expired."""

    code = "link-refused"


class PasskeyRefused(Error):
    """A passkey ceremony that did not verify."""

    code = "passkey-refused"


class UnknownPerson(Error):
    """No such person, token or passkey at this node."""

    code = "unknown-person"


class BadPerson(Error):
    """A name, role or scope that cannot be used."""

    code = "bad-person"


def raised(kind: type[Error], reason: Reason, subject: str = "") -> Error:
    """Turn a refusal into an error of a kind, to be raised where a caller must not go on."""
    params: dict[str, Any] = dict(reason.params)
    return kind(reason.message, subject=subject, **params)
