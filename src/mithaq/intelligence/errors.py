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


class BadMapping(Error):
    """A description of a list's columns that cannot be followed."""

    code = "bad-list-mapping"


class BadList(Error):
    """A list that cannot be read on from here."""

    code = "bad-list"


class ConfinedFailed(Error):
    """A file that could not be read within the limits of the process that reads it."""

    code = "document-unreadable"


class BadMailbox(Error):
    """A folder of messages, or its settings, that cannot be used."""

    code = "bad-mailbox"


class NotInTray(Error):
    """A number under which no report waits."""

    code = "not-in-tray"
