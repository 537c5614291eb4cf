"""What can go wrong in the holdings."""

from mithaq.kernel.errors import Error


class TooMuch(Error):
    """More bytes or objects than the door they came through lets in."""

    code = "door-limit"


class MispFailed(Error):
    """A MISP file that could not be converted; the subject names the event."""

    code = "misp-conversion-failed"


class BadQuery(Error):
    """A search that cannot be understood."""

    code = "bad-query"


class NotAnObservable(Error):
    """A value from which no indicator can be made."""

    code = "not-an-observable"


class NotHeld(Error):
    """An object that this node does not hold."""

    code = "object-not-held"


class BadProposal(Error):
    """A change of somebody's object that cannot be proposed, or can no longer be answered."""

    code = "bad-proposal"


class WarningListsFailed(Error):
    """The warning lists cannot be used."""

    code = "warning-lists-failed"
