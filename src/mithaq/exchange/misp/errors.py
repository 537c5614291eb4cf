"""What can go wrong at the doors of MISP; the status of HTTP is the doors' matter."""

from mithaq.kernel.errors import Error


class UnknownEvent(Error):
    """An event or attribute that is not there, or not for who asks."""

    code = "unknown-misp-event"


class BadMisp(Error):
    """A request, an event or an attribute that cannot be understood."""

    code = "bad-misp-request"


class NotYours(Error):
    """An event that who asks may not write, or not like this."""

    code = "misp-event-refused"


class EventExists(Error):
    """An event that is given as a new one, and is there already; the subject is its uuid, where it can be changed."""

    code = "misp-event-exists"
